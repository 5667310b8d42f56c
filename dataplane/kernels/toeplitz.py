"""The Toeplitz hash by two methods: carry-less multiplication and byte tables (HSH-04, HSH-05).

The hash is linear over XOR: bit j of the hash is the XOR, over all i, of the products of input bit i and key bit i + j.
This is a product of polynomials over GF(2) in which one factor has its bits reversed. On a CPU with the instruction for
that product, 64 bits of input take two multiplications: by the 64 key bits at the same position, and by the next 64 key
bits. For other CPUs a table holds the contribution of each value of each input byte: 36 positions, 256 values, 4 bytes
each, for a 40-byte key. Both methods give the same values; `method` says which one is used.
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
#: 64-bit words of the window form of a key: a pair for each 8 bytes of the longest input (the last pair for 4 bytes).
WINDOWS = 10

CARRY_LESS, BYTE_TABLES = "carry-less multiplication", "byte tables"
#: If this environment variable is set and not empty, byte tables are used on every CPU.
PORTABLE_VARIABLE = "VMMQ_PORTABLE_KERNELS"


def has_carry_less_multiplication() -> bool:
    """Whether kernels are compiled for a CPU with carry-less products and byte shuffles (x86-64 since 2010)."""
    wanted: str | None = getattr(config, "CPU_FEATURES", None)  # the CPU features that the user has told numba to use
    if wanted is not None:
        return {"+pclmul", "+ssse3"} <= set(wanted.split(","))
    return _host_multiplies()


@cache
def _host_multiplies() -> bool:
    features = llvm.get_host_cpu_features()  # slow: it takes as long as steering thousands of frames
    return bool(features.get("pclmul") and features.get("ssse3"))


def method() -> str:
    """The method for hashes: CARRY_LESS if the CPU supports it and PORTABLE_VARIABLE is not set, else BYTE_TABLES.

    A kernel compiled for a CPU with carry-less products contains both methods. The choice is made for each snapshot,
    when its table of addresses is made.
    """
    is_portable = bool(os.environ.get(PORTABLE_VARIABLE))
    return CARRY_LESS if has_carry_less_multiplication() and not is_portable else BYTE_TABLES


def toeplitz_table(key: bytes) -> npt.NDArray[np.uint32]:
    """The byte table of a 40-byte key: (36, 256) uint32; ValueError for another length (RSS-12)."""
    number = _number(key)
    windows = np.array([(number >> (320 - 32 - bit)) & 0xFFFF_FFFF for bit in range(INPUT_BYTES_MAX * 8)], np.uint32)
    values = np.arange(256)
    table = np.zeros((INPUT_BYTES_MAX, 256), np.uint32)
    for bit in range(8):
        is_set = (values >> (7 - bit)) & 1 == 1
        table[:, is_set] ^= windows[bit::8, np.newaxis]
    return table


def toeplitz_windows(key: bytes) -> list[int]:
    """The WINDOWS words of a 40-byte key, 64 bits each, by which words of the input are multiplied.

    Windows 2 * w and 2 * w + 1 are for input bytes 8 * w to 8 * w + 7. The first one holds the 64 key bits from bit
    64 * w on, the second one the next 64 key bits (0 after the end of the key). The first key bit is bit 63 of a
    window. The other factor of the product has input bit i as its bit i. Then bit 63 - j of the product with the first
    window is the contribution to bit j of the hash; of the product with the second window, bit 127 - j is. Bits of key,
    input and hash count from the most significant bit. ValueError for another length (RSS-12).
    """
    number = _number(key) << 64
    words = [number >> (320 - 64 * word) & 0xFFFF_FFFF_FFFF_FFFF for word in range(6)]
    return [window for pair in pairwise(words) for window in pair]


def _number(key: bytes) -> int:
    if len(key) != 40:
        raise ValueError(f"a hash secret key has 40 bytes, not {len(key)}")
    return int.from_bytes(key, "big")


def _multiply_bytes(count: int) -> Any:
    """An intrinsic (input address, address of windows) -> the contribution of `count` bytes of input to the hash.

    `count` is 4, a multiple of 8, or a multiple of 8 plus 4. The windows are those for the position of the first byte.
    """
    byte, half, word = ir.IntType(8), ir.IntType(32), ir.IntType(64)
    octets, halves, vector = ir.VectorType(byte, 16), ir.VectorType(half, 4), ir.VectorType(word, 2)

    def loaded(builder: Any, address: Any, first: int) -> Any:
        """Up to 16 bytes of input from offset `first`, then zeros; no byte after the last one of the input is read."""
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
            if not has_carry_less_multiplication():  # never executed: `method` says BYTE_TABLES
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
            low = high = ir.Constant(vector, [0, 0])  # the hash: bits 32 to 63 of `low` XOR bits 96 to 127 of `high`
            for first in range(0, count, 8):
                if first % 16 == 0:
                    # loaded as a little-endian number, the bytes are in the right order; the bits in each are reversed
                    data = builder.bitcast(builder.call(reverse, [loaded(builder, data_address, first)]), vector)
                pair = builder.inttoptr(builder.add(window_address, word(2 * first)), vector.as_pointer())
                factors, selected = builder.load(pair, align=1), first // 8 % 2
                low = builder.xor(low, builder.call(product, [data, factors, byte(selected)]))
                if count - first >= 8:  # the last 4 bytes need only the first window
                    high = builder.xor(high, builder.call(product, [data, factors, byte(0x10 | selected)]))
            both = builder.xor(low, builder.shuffle_vector(high, high, ir.Constant(ir.VectorType(half, 2), [1, 1])))
            return builder.lshr(builder.extract_element(both, half(0)), word(32))

        return types.uint64(address, windows), codegen

    return intrinsic(multiply)


multiply_4_bytes, multiply_8_bytes, multiply_12_bytes = _multiply_bytes(4), _multiply_bytes(8), _multiply_bytes(12)
multiply_16_bytes, multiply_32_bytes, multiply_36_bytes = _multiply_bytes(16), _multiply_bytes(32), _multiply_bytes(36)


@njit(inline="always")
def hash_bytes(table: int, position: int, address: int, count: int) -> int:
    """XOR of the table entries of `count` input bytes at `address`; the first one is input byte number `position`.

    `table` is the address of the byte table of a key, 36 * 256 entries.
    """
    value = np.uint64(0)
    for i in range(count):
        value ^= read_u32(table + 4 * ((position + i) * 256 + np.int64(read_u8(address + i))))
    return value


@njit(cache=True, nogil=True)
def toeplitz(table: npt.NDArray[np.uint32], data: npt.NDArray[np.uint8], out: npt.NDArray[np.uint32]) -> None:
    """Hash each row of `data` (n, up to 36 bytes) into `out` (n,); `table` is the flat (36 * 256,) table of a key."""
    for row in range(data.shape[0]):
        value = np.uint32(0)
        for i in range(data.shape[1]):
            value ^= table[i * 256 + data[row, i]]
        out[row] = value
