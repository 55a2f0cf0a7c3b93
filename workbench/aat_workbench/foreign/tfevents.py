"""TensorBoard's messages, as far as scalars need them: read from and written to protobuf by hand.

``Event`` has ``wall_time`` 1, ``step`` 2, ``file_version`` 3, ``summary`` 5, ``session_log`` 7; ``Summary.Value``
``tag`` 1, ``simple_value`` 2, ``tensor`` 8, ``metadata`` 9; ``TensorProto`` ``dtype`` 1, ``tensor_shape`` 2,
``tensor_content`` 4 and the typed lists.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["Logged", "decode", "encode", "encode_restart", "encode_version"]

VERSION = b"brain.Event:2"
_START = 1  # SessionLog.START
# By dtype: the format of an element in ``tensor_content``.
_FORMATS = {
    1: "<f", 2: "<d", 3: "<i", 4: "<B", 5: "<h", 6: "<b", 9: "<q", 10: "<?", 17: "<H", 19: "<e", 22: "<I", 23: "<Q",
}  # fmt: skip
_BFLOAT16, _HALF = 14, 19
_FIXED = {5: "<f", 6: "<d"}  # lists of fixed width by field number
_SIGNED, _UNSIGNED, _HALVES = (7, 10), (11, 16, 17), 13


class Logged(NamedTuple):
    """One event: scalars by tag, or with ``restart`` that what came at this step or later no longer counts."""

    time: float
    step: int
    values: list[tuple[str, float]]
    restart: bool = False


def decode(data: bytes) -> Logged:
    """The scalars of one event; what else it holds is left out. Raises ValueError where it is no such message."""
    time, step, restart = 0.0, 0, False
    values: list[tuple[str, float]] = []
    try:
        for field, value in _fields(data):
            if field == 1 and isinstance(value, bytes):
                time = struct.unpack("<d", value)[0]
            elif field == 2 and isinstance(value, int):
                step = _signed(value)
            elif field == 5 and isinstance(value, bytes):
                values.extend(_summary(value))
            elif field == 7 and isinstance(value, bytes):
                restart = any(number == 1 and status == _START for number, status in _fields(value))
    except (IndexError, struct.error, OverflowError) as error:
        raise ValueError(f"not an event: {error}") from None
    return Logged(time, step, values, restart)


def _summary(data: bytes) -> Iterator[tuple[str, float]]:
    for field, value in _fields(data):
        if field != 1 or not isinstance(value, bytes):
            continue
        tag, scalar, plugin = "", None, b""
        for number, part in _fields(value):
            if not isinstance(part, bytes):
                continue
            if number == 1:
                tag = part.decode("utf-8", "replace")
            elif number == 2 and len(part) == 4:
                scalar = struct.unpack("<f", part)[0]
            elif number == 8:
                scalar = _tensor(part)
            elif number == 9:
                plugin = _plugin(part)
        if scalar is not None and plugin in (b"", b"scalars"):
            yield tag, scalar


def _plugin(metadata: bytes) -> bytes:
    for field, value in _fields(metadata):
        if field == 1 and isinstance(value, bytes):
            return next((name for number, name in _fields(value) if number == 1 and isinstance(name, bytes)), b"")
    return b""


def _tensor(data: bytes) -> float | None:
    """The value of a tensor that has one element."""
    dtype, content = 0, b""
    numbers: list[float] = []
    for field, value in _fields(data):
        if field == 1 and isinstance(value, int):
            dtype = value
        elif field == 2 and isinstance(value, bytes):
            if any(size != 1 for size in _sizes(value)):
                return None
        elif field == 4 and isinstance(value, bytes):
            content = value
        else:
            numbers.extend(_listed(field, value, dtype))
    if content:
        if dtype == _BFLOAT16 and len(content) == 2:
            return _bfloat(int.from_bytes(content, "little"))
        form = _FORMATS.get(dtype, "")
        return float(struct.unpack(form, content)[0]) if form and struct.calcsize(form) == len(content) else None
    return float(numbers[0]) if len(numbers) == 1 else None


def _sizes(shape: bytes) -> Iterator[int]:
    for field, dimension in _fields(shape):
        if field == 2 and isinstance(dimension, bytes):
            yield next((size for number, size in _fields(dimension) if number == 1 and isinstance(size, int)), 0)


def _listed(field: int, value: int | bytes, dtype: int) -> Iterator[float]:
    """The elements of one of a tensor's typed lists, packed or not."""
    if field in _FIXED and isinstance(value, bytes):
        yield from (number for (number,) in struct.iter_unpack(_FIXED[field], value))
        return
    if field not in (*_SIGNED, *_UNSIGNED, _HALVES):
        return
    for number in [value] if isinstance(value, int) else _varints(value):
        if field == _HALVES:
            half = struct.pack("<H", number & 0xFFFF)
            yield _bfloat(number) if dtype == _BFLOAT16 else struct.unpack("<e", half)[0]
        else:
            yield _signed(number) if field in _SIGNED else number


def _bfloat(bits: int) -> float:
    return struct.unpack("<f", struct.pack("<I", (bits & 0xFFFF) << 16))[0]


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values: varints as numbers, everything else as bytes."""
    at, size = 0, len(data)
    while at < size:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"not a message: wire type {wire}")
        if at + length > size:
            raise ValueError("not a message: it ends too early")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    for shift in range(7, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ValueError("not a message: a number without end")


def _varints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


# Writing


def encode(time: float, step: int, values: Mapping[str, float]) -> bytes:
    """An event with scalars of single precision; what is too large for that becomes infinite."""
    parts = b"".join(
        _delimited(1, _delimited(1, tag.encode("utf-8", "replace")) + b"\x15" + _single(value))
        for tag, value in values.items()
    )
    return _stamp(time, step) + _delimited(5, parts)


def encode_restart(time: float, step: int) -> bytes:
    """An event that says that what was written for ``step`` or later no longer counts."""
    return _stamp(time, step) + _delimited(7, b"\x08" + _number(_START))


def encode_version(time: float) -> bytes:
    """The event a file begins with."""
    return b"\x09" + struct.pack("<d", time) + _delimited(3, VERSION)


def _stamp(time: float, step: int) -> bytes:
    return b"\x09" + struct.pack("<d", time) + b"\x10" + _number(step & 0xFFFFFFFFFFFFFFFF)


def _single(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def _delimited(field: int, data: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(data)) + data


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
