"""CRC-32C (Castagnoli), masked as TFRecord files have it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MANY", "masked", "masked_all"]

MANY = 1 << 15  # bytes from which numpy is worth its import
_FEW = 16  # records of one length below which a loop of Python is as fast


def _entry(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


_TABLE = [_entry(value) for value in range(256)]


def masked(data: bytes | memoryview) -> int:
    """The masked checksum of ``data``."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return _mask(crc ^ 0xFFFFFFFF)


def _mask(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def masked_all(block: bytes, places: Sequence[tuple[int, int]]) -> list[int]:
    """The masked checksums of the stretches ``(start, length)`` of ``block``; those of one length go together."""
    if sum(length for _, length in places) < MANY:
        return [masked(block[start : start + length]) for start, length in places]
    import numpy as np

    table = np.array(_TABLE, np.uint32)
    cells = np.frombuffer(block, np.uint8)
    found = [0] * len(places)
    groups: dict[int, list[int]] = {}
    for at, (_, length) in enumerate(places):
        groups.setdefault(length, []).append(at)
    for length, members in groups.items():
        if len(members) < _FEW:
            for at in members:
                start = places[at][0]
                found[at] = masked(block[start : start + length])
            continue
        starts = np.array([places[at][0] for at in members], np.int64)
        crc = np.full(len(members), 0xFFFFFFFF, np.uint32)
        for place in range(length):
            crc = table[(crc ^ cells[starts + place]) & 0xFF] ^ crc >> np.uint32(8)
        for at, value in zip(members, crc.tolist(), strict=True):
            found[at] = _mask(value ^ 0xFFFFFFFF)
    return found
