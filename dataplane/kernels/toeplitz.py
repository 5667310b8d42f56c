"""The Toeplitz hash, twice: by carry-less multiplication and by byte tables (HSH-04, HSH-05).

A hash is linear over XOR: bit j of it is the sum (XOR) of the products of input bit i and key bit i + j. That is what a
multiplication of polynomials over GF(2) computes, so on a CPU with the instruction for it a 32-bit word of input costs
one multiplication by the 63 key bits that its bits meet (its *window*). Other CPUs take what one input byte at one
position contributes from a table: 36 positions of 256 values, 4 bytes each, hold all a 40-byte key can say. Both give
the same values; `method` says which one is used.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

from dataplane.kernels.memory import read_u8, read_u32

INPUT_BYTES_MAX = 36
#: Words of the window form of a key, one for each 32-bit word of the longest input.
WINDOWS = INPUT_BYTES_MAX // 4

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
    """The WINDOWS of a 40-byte key, 64 bits each: what word w of the input is multiplied by.

    Bit m + 1 of a window is key bit 32 * w + m, m = 0 to 62, key bits counted from the most significant one. With bit i
    of an input word as bit 63 - i of the other factor, bit 64 + j of the product is what the word contributes to bit j
    of the hash, both again counted from the most significant one. ValueError for another length (RSS-12).
    """
    bits = f"{_number(key):0320b}".ljust(32 * WINDOWS + 63, "0")
    return [int(bits[32 * word : 32 * word + 63][::-1], 2) << 1 for word in range(WINDOWS)]


def _number(key: bytes) -> int:
    if len(key) != 40:
        raise ValueError(f"a hash secret key has 40 bytes, not {len(key)}")
    return int.from_bytes(key, "big")


def _multiply_words(words: int) -> Any:
    """A function (input address, address of windows) -> XOR of the contributions of `words` words, not yet reversed."""
    byte, word, vector = ir.IntType(8), ir.IntType(64), ir.VectorType(ir.IntType(64), 2)

    def shuffled(builder: Any, pointer: Any, count: int) -> Any:
        """`count` (1 or 2) big-endian words, each the upper half of one element of a vector."""
        loaded = builder.load(builder.bitcast(pointer, ir.IntType(32 * count).as_pointer()), align=1)
        pair = builder.insert_element(ir.Constant(vector, [0, 0]), builder.zext(loaded, word), ir.IntType(32)(0))
        octets = builder.bitcast(pair, ir.VectorType(byte, 16))
        zero = [15, 15, 15, 15]  # of a vector whose upper half is zero
        order = [*zero, 3, 2, 1, 0, *zero, *((7, 6, 5, 4) if count == 2 else zero)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), 16), order)
        return builder.bitcast(builder.shuffle_vector(octets, octets, mask), vector)

    def multiply(typing_context: Any, address: Any, windows: Any) -> Any:
        if not (isinstance(address, types.Integer) and isinstance(windows, types.Integer)):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if not has_carry_less_multiplication():  # nobody gets here who has asked `method`
                trap = builder.module.declare_intrinsic("llvm.trap", (), ir.FunctionType(ir.VoidType(), []))
                builder.call(trap, [])
                return ir.Constant(word, 0)
            pointers = [
                builder.inttoptr(context.cast(builder, argument, kind, types.int64), byte.as_pointer())
                for argument, kind in zip(arguments, signature.args, strict=True)
            ]
            function = builder.module.declare_intrinsic(
                "llvm.x86.pclmulqdq", (), ir.FunctionType(vector, [vector, vector, byte])
            )
            total = ir.Constant(vector, [0, 0])
            for first in range(0, words, 2):
                count = min(2, words - first)
                data = shuffled(builder, builder.gep(pointers[0], [word(4 * first)]), count)
                window = builder.gep(pointers[1], [word(8 * first)])
                if count == 2:
                    factor = builder.load(builder.bitcast(window, vector.as_pointer()), align=1)
                else:
                    one = builder.load(builder.bitcast(window, word.as_pointer()), align=1)
                    factor = builder.insert_element(ir.Constant(vector, [0, 0]), one, ir.IntType(32)(0))
                for selected in (0x00, 0x11)[:count]:
                    total = builder.xor(total, builder.call(function, [data, factor, byte(selected)]))
            return builder.extract_element(total, ir.IntType(32)(1))

        return types.uint64(address, windows), codegen

    return intrinsic(multiply)


multiply_1_word, multiply_2_words, multiply_3_words = _multiply_words(1), _multiply_words(2), _multiply_words(3)
multiply_4_words, multiply_9_words = _multiply_words(4), _multiply_words(9)


def _reverse_bits(typing_context: Any, value: Any) -> Any:
    """The low 32 bits of a uint64 in reversed order."""
    if value != types.uint64:
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # byte by byte in a vector register, where it takes two look-ups, then the order of the bytes
        vector, octets = ir.VectorType(ir.IntType(64), 2), ir.VectorType(ir.IntType(8), 16)
        low = builder.insert_element(ir.Constant(vector, [0, 0]), arguments[0], ir.IntType(32)(0))
        function = builder.module.declare_intrinsic("llvm.bitreverse.v16i8", (), ir.FunctionType(octets, [octets]))
        reversed_octets = builder.bitcast(builder.call(function, [builder.bitcast(low, octets)]), vector)
        swapped = builder.bswap(builder.extract_element(reversed_octets, ir.IntType(32)(0)))
        return builder.lshr(swapped, ir.IntType(64)(32))

    return types.uint64(value), codegen


reverse_bits: Any = intrinsic(_reverse_bits)


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
