"""The Toeplitz hash, twice: by carry-less multiplication and by byte tables (HSH-04, HSH-05).

A hash is linear over XOR: bit j of it is the sum (XOR) of the products of input bit i and key bit i + j. That is what a
multiplication of polynomials over GF(2) computes when one factor is taken in reversed order, so on a CPU with the
instruction for it 64 bits of input cost two multiplications, by the 64 key bits that begin where they do and by the 64
that follow. Other CPUs take what one input byte at one position contributes from a table: 36 positions of 256 values,
4 bytes each, hold all a 40-byte key can say. Both give the same values; `method` says which one is used.
"""

from __future__ import annotations

import os
from functools import cache
from itertools import pairwise
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

from dataplane.kernels.memory import read_u8, read_u32

INPUT_BYTES_MAX = 36
#: 64-bit words of the window form of a key: a pair for each 8 bytes of the longest input, the last of which are 4.
WINDOWS = 10

CARRY_LESS, BYTE_TABLES = "carry-less multiplication", "byte tables"
#: With this environment variable set to anything but nothing, byte tables are used on every CPU.
PORTABLE_VARIABLE = "VMMQ_PORTABLE_KERNELS"


def has_carry_less_multiplication() -> bool:
    """Whether kernels are compiled for a CPU that multiplies without carries and shuffles bytes (x86-64 since 2010)."""
    wanted: str | None = getattr(config, "CPU_FEATURES", None)  # what the user wants numba to compile for
    if wanted is not None:
        return {"+pclmul", "+ssse3"} <= set(wanted.split(","))
    return _host_multiplies()


@cache
def _host_multiplies() -> bool:
    features = llvm.get_host_cpu_features()  # takes as long as steering thousands of frames
    return bool(features.get("pclmul") and features.get("ssse3"))


def method() -> str:
    """How hashes are computed here: CARRY_LESS where the CPU can and nobody has set PORTABLE_VARIABLE, or BYTE_TABLES.

    Both are in every kernel that was compiled for a CPU that has both: the choice is made for each snapshot, when the
    kernel is told where things lie.
    """
    is_portable = bool(os.environ.get(PORTABLE_VARIABLE))
    return CARRY_LESS if has_carry_less_multiplication() and not is_portable else BYTE_TABLES


def toeplitz_table(key: bytes) -> npt.NDArray[np.uint32]:
    """The byte table of a 40-byte key: shape (36, 256), uint32; ValueError for another length (RSS-12)."""
    number = _number(key)
    windows = np.array([(number >> (320 - 32 - bit)) & 0xFFFF_FFFF for bit in range(INPUT_BYTES_MAX * 8)], np.uint32)
    values = np.arange(256)
    table = np.zeros((INPUT_BYTES_MAX, 256), np.uint32)
    for bit in range(8):
        is_set = (values >> (7 - bit)) & 1 == 1
        table[:, is_set] ^= windows[bit::8, np.newaxis]
    return table


def toeplitz_windows(key: bytes) -> list[int]:
    """The WINDOWS of a 40-byte key, 64 bits each: what words of the input are multiplied by.

    Words 2 * w and 2 * w + 1 are for input bytes 8 * w to 8 * w + 7: the 64 key bits from bit 64 * w on, and the 64
    that follow (0 behind the end of the key), the first of them as bit 63. With bit i of the input word as bit i of the
    other factor, bit 63 - j of the product is what key bits of the first window contribute to bit j of the hash, and
    bit 127 - j what those of the second do; bits of key, input and hash are counted from the most significant one.
    ValueError for another length (RSS-12).
    """
    number = _number(key) << 64
    words = [number >> (320 - 64 * word) & 0xFFFF_FFFF_FFFF_FFFF for word in range(6)]
    return [window for pair in pairwise(words) for window in pair]


def _number(key: bytes) -> int:
    if len(key) != 40:
        raise ValueError(f"a hash secret key has 40 bytes, not {len(key)}")
    return int.from_bytes(key, "big")


def _multiply_bytes(count: int) -> Any:
    """A function (input address, address of windows) -> what `count` bytes of input contribute to a hash.

    The bytes are 4, or a multiple of 8, or 4 more than that; they begin where the windows do.
    """
    byte, half, word = ir.IntType(8), ir.IntType(32), ir.IntType(64)
    octets, halves, vector = ir.VectorType(byte, 16), ir.VectorType(half, 4), ir.VectorType(word, 2)

    def loaded(builder: Any, address: Any, first: int) -> Any:
        """Up to 16 bytes of input from there on, in front of zeros; none behind the last one is touched."""
        value = ir.Constant(vector, [0, 0])
        left, at = min(16, count - first), 0
        while left - at >= 4:
            kind, lanes = (word, vector) if left - at >= 8 else (half, halves)
            pointer = builder.inttoptr(builder.add(address, word(first + at)), kind.as_pointer())
            part = builder.load(pointer, align=1)
            value = builder.insert_element(builder.bitcast(value, lanes), part, half(8 * at // kind.width))
            at += kind.width // 8
        return builder.bitcast(value, octets)

    def multiply(typing_context: Any, address: Any, windows: Any) -> Any:
        if not (isinstance(address, types.Integer) and isinstance(windows, types.Integer)):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if not has_carry_less_multiplication():  # nobody gets here who has asked `method`
                trap = builder.module.declare_intrinsic("llvm.trap", (), ir.FunctionType(ir.VoidType(), []))
                builder.call(trap, [])
                return ir.Constant(word, 0)
            module = builder.module
            reverse = module.declare_intrinsic("llvm.bitreverse.v16i8", (), ir.FunctionType(octets, [octets]))
            product = module.declare_intrinsic(
                "llvm.x86.pclmulqdq", (), ir.FunctionType(vector, [vector, vector, byte])
            )
            data_address, window_address = (
                context.cast(builder, argument, kind, types.int64)
                for argument, kind in zip(arguments, signature.args, strict=True)
            )
            low = high = ir.Constant(vector, [0, 0])  # bits 32 to 63 of one and 96 to 127 of the other make the hash
            for first in range(0, count, 8):
                if first % 16 == 0:
                    # bit i of the bytes as a little-endian number, as it ought to be, but for the order in each byte
                    data = builder.bitcast(builder.call(reverse, [loaded(builder, data_address, first)]), vector)
                pair = builder.inttoptr(builder.add(window_address, word(2 * first)), vector.as_pointer())
                factors, selected = builder.load(pair, align=1), first // 8 % 2
                low = builder.xor(low, builder.call(product, [data, factors, byte(selected)]))
                if count - first >= 8:  # 4 bytes do not get to the second window
                    high = builder.xor(high, builder.call(product, [data, factors, byte(0x10 | selected)]))
            both = builder.xor(low, builder.shuffle_vector(high, high, ir.Constant(ir.VectorType(half, 2), [1, 1])))
            return builder.lshr(builder.extract_element(both, half(0)), word(32))

        return types.uint64(address, windows), codegen

    return intrinsic(multiply)


multiply_4_bytes, multiply_8_bytes, multiply_12_bytes = _multiply_bytes(4), _multiply_bytes(8), _multiply_bytes(12)
multiply_16_bytes, multiply_32_bytes, multiply_36_bytes = _multiply_bytes(16), _multiply_bytes(32), _multiply_bytes(36)


@njit(inline="always")
def hash_bytes(table: int, position: int, address: int, count: int) -> int:
    """XOR of the table entries of `count` input bytes at `address`, the first of them being input byte `position`.

    `table` is the address of one key's 36 * 256 entries.
    """
    value = np.uint64(0)
    for i in range(count):
        value ^= read_u32(table + 4 * ((position + i) * 256 + np.int64(read_u8(address + i))))
    return value


@njit(cache=True, nogil=True)
def toeplitz(table: npt.NDArray[np.uint32], data: npt.NDArray[np.uint8], out: npt.NDArray[np.uint32]) -> None:
    """Hash each row of `data` (n, up to 36 bytes) into `out` (n,); `table` is one key's (36, 256) table, flattened."""
    for row in range(data.shape[0]):
        value = np.uint32(0)
        for i in range(data.shape[1]):
            value ^= table[i * 256 + data[row, i]]
        out[row] = value
