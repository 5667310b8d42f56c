"""Unaligned reads and writes at memory addresses, prefetch, and other single instructions, for use inside kernels.

Frames lie at any byte offset, and plain numba code reads them byte by byte. Each read or write here is one machine
instruction (two for big-endian ones). **Nothing is checked**: the caller must have made sure that the bytes exist and
may be written. Reads of any width return uint64, because numba turns a mix of int64 and uint64 into float64. `read_*`
and `write_*` are little-endian, as are the supported machines; `*_be` are in network order.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _address_of(typing_context: Any, array: Any) -> Any:
    """Memory address of the first element of an array, as int64.

    The `read_*` and `write_*` functions take such addresses. An address is a plain number: unlike an array, it can be
    passed to inlined functions without numba counting references for every frame. The array must live as long as the
    address is used.
    """
    if not isinstance(array, types.Array):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(
            context.make_array(signature.args[0])(context, builder, arguments[0]).data, ir.IntType(64)
        )

    return types.int64(array), codegen


address_of: Any = intrinsic(_address_of)


def _pointer_to(typing_context: Any, address: Any) -> Any:
    """An address as a pointer, from which `numba.carray` makes an array.

    A kernel call costs time for every array argument; a table of addresses costs as much as one array. The memory at
    the address must stay valid until the call returns.
    """
    if not isinstance(address, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _pointer(context, builder, signature, arguments, 8)

    return types.voidptr(address), codegen


pointer_to: Any = intrinsic(_pointer_to)


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, bits: int) -> Any:
    """The first argument, an address, as a pointer to an integer of `bits` bits."""
    wide = context.cast(builder, arguments[0], signature.args[0], types.int64)
    return builder.inttoptr(wide, ir.IntType(bits).as_pointer())


def _read(bits: int, big_endian: bool, name: str) -> Any:
    def typing(typing_context: Any, address: Any) -> Any:
        if not isinstance(address, types.Integer):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = builder.load(_pointer(context, builder, signature, arguments, bits), align=1)
            if big_endian:
                value = builder.bswap(value)
            return value if bits == 64 else builder.zext(value, ir.IntType(64))

        return types.uint64(address), codegen

    typing.__name__ = name
    return intrinsic(typing)


def _write(bits: int, big_endian: bool, name: str) -> Any:
    def typing(typing_context: Any, address: Any, value: Any) -> Any:
        if not (isinstance(address, types.Integer) and isinstance(value, types.Integer)):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _pointer(context, builder, signature, arguments, bits)
            value = context.cast(builder, arguments[1], signature.args[1], types.uint64)
            narrow = value if bits == 64 else builder.trunc(value, ir.IntType(bits))
            builder.store(builder.bswap(narrow) if big_endian else narrow, pointer, align=1)
            return context.get_dummy_value()

        return types.void(address, value), codegen

    typing.__name__ = name
    return intrinsic(typing)


read_u8 = _read(8, False, "read_u8")
read_u16 = _read(16, False, "read_u16")
read_u32 = _read(32, False, "read_u32")
read_u64 = _read(64, False, "read_u64")
read_u16_be = _read(16, True, "read_u16_be")
read_u32_be = _read(32, True, "read_u32_be")
read_u64_be = _read(64, True, "read_u64_be")
write_u8 = _write(8, False, "write_u8")
write_u16 = _write(16, False, "write_u16")
write_u32 = _write(32, False, "write_u32")
write_u64 = _write(64, False, "write_u64")
write_u16_be = _write(16, True, "write_u16_be")
write_u64_be = _write(64, True, "write_u64_be")


def _prefetch_address(typing_context: Any, address: Any) -> Any:
    """Prefetch the cache line at an address; harmless for any address."""
    if not isinstance(address, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, word = _pointer(context, builder, signature, arguments, 8), ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], function_type)
        builder.call(function, [pointer, word(0), word(3), word(1)])  # for reading, into all cache levels, data cache
        return context.get_dummy_value()

    return types.void(address), codegen


prefetch_address: Any = intrinsic(_prefetch_address)


def _count_leading_zeros(typing_context: Any, value: Any) -> Any:
    """The number of zero bits above the highest set bit of a uint64; 64 for 0."""
    if value != types.uint64:
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.IntType(1)(0))

    return types.int64(value), codegen


count_leading_zeros: Any = intrinsic(_count_leading_zeros)


def _multiply_high(typing_context: Any, left: Any, right: Any) -> Any:
    """The high word of the 128-bit product of two uint64."""
    if left != types.uint64 or right != types.uint64:
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, wide(64)), ir.IntType(64))

    return types.uint64(left, right), codegen


multiply_high: Any = intrinsic(_multiply_high)


def _multiply_folded(typing_context: Any, left: Any, right: Any) -> Any:
    """The high word XOR the low word of the 128-bit product of two uint64."""
    if left != types.uint64 or right != types.uint64:
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, word = ir.IntType(128), ir.IntType(64)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.xor(builder.trunc(product, word), builder.trunc(builder.lshr(product, wide(64)), word))

    return types.uint64(left, right), codegen


multiply_folded: Any = intrinsic(_multiply_folded)


def _reinterpret(from_type: Any, to_type: Any, name: str) -> Any:
    def typing(typing_context: Any, value: Any) -> Any:
        if value != from_type:
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(to_type))

        return to_type(value), codegen

    typing.__name__ = name
    return intrinsic(typing)


bits_of_float = _reinterpret(types.float64, types.uint64, "bits_of_float")
float_of_bits = _reinterpret(types.uint64, types.float64, "float_of_bits")


def _select_unpredictable(typing_context: Any, condition: Any, yes: Any, no: Any) -> Any:
    """`yes if condition else no` for two integers of the same type, as a conditional move.

    LLVM compiles such a choice to a branch if the condition seems predictable; this marks the condition as
    unpredictable.
    """
    if condition != types.boolean or yes != no or not isinstance(yes, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        selected = builder.select(*arguments)
        selected.set_metadata("unpredictable", builder.module.add_metadata([]))
        return selected

    return yes(condition, yes, no), codegen


select_unpredictable: Any = intrinsic(_select_unpredictable)
