"""TFRecord files: ``length u64, crc u32 of it, data, crc u32 of it``, little-endian, one record after another."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from .crc32c import masked, masked_all

__all__ = ["RecordTail", "framed"]

_HEAD = struct.Struct("<QI")
_MOST = 64 << 20  # bytes of a record that is believed


def framed(data: bytes) -> bytes:
    """``data`` as one record of a file."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


class RecordTail:
    """Reads the records that were appended since the last look, without ever blocking.

    Args:
        path: the file; it need not exist yet.

    Attributes:
        skipped: stretches that were no records: a wrong checksum, or bytes between records.
        resets: how often the file was found shorter than it had been; reading then began again at its start.
        behind: whether the last look stopped at its limit with more to read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        self.resets = 0
        self.behind = False
        self._offset = 0
        self._lost = False  # inside a stretch that is no record, and was counted
        self._lengths: dict[bytes, int] = {}  # checksums of the few lengths there are

    def poll(self, limit: int = 1 << 18) -> list[bytes]:
        """The whole records of the next ``limit`` bytes or so, oldest first; a torn last one is waited for."""
        self.behind = False
        limit = max(limit, _HEAD.size)
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._offset:
                    self._offset, self._lost = 0, False
                    self.resets += 1
                file.seek(self._offset)
                block = file.read(min(limit, size - self._offset))
                if need := self._need(block):
                    block += file.read(max(0, min(need, size - self._offset) - len(block)))
        except OSError:
            return []
        places, end = self._walk(block)
        self._offset += end
        self.behind = end > 0 and self._offset < size
        checks = masked_all(block, places)
        found: list[bytes] = []
        for (start, length), check in zip(places, checks, strict=True):
            if check == int.from_bytes(block[start + length : start + length + 4], "little"):
                found.append(block[start : start + length])
            else:
                self.skipped += 1
        return found

    def _need(self, block: bytes) -> int:
        """Bytes of the first record, where the block begins with one that is longer than it."""
        if len(block) < _HEAD.size or not self._is_head(block, 0):
            return 0
        whole = _HEAD.unpack_from(block)[0] + _HEAD.size + 4
        return whole if whole > len(block) else 0

    def _is_head(self, block: bytes, at: int) -> bool:
        length = block[at : at + 8]
        if length[4:] != b"\0\0\0\0" or int.from_bytes(length, "little") > _MOST:
            return False
        if length not in self._lengths:
            if len(self._lengths) > 4096:
                self._lengths.clear()
            self._lengths[length] = masked(length)
        return self._lengths[length] == int.from_bytes(block[at + 8 : at + 12], "little")

    def _walk(self, block: bytes) -> tuple[list[tuple[int, int]], int]:
        """Where the records' data lie, as ``(start, length)``, and how far the block was understood."""
        places: list[tuple[int, int]] = []
        at, size = 0, len(block)
        while at + _HEAD.size <= size:
            if not self._is_head(block, at):
                if not self._lost:
                    self.skipped += 1
                self._lost = True
                at = self._next(block, at + 1)
                continue
            self._lost = False
            length = _HEAD.unpack_from(block, at)[0]
            end = at + _HEAD.size + length + 4
            if end > size:
                break
            places.append((at + _HEAD.size, length))
            at = end
        return places, at

    def _next(self, block: bytes, at: int) -> int:
        """The next place after ``at`` that can be the head of a record; where there is none, the first not yet whole."""
        last = len(block) - _HEAD.size
        while at <= last:
            zeros = block.find(b"\0\0\0\0", at + 4)
            if zeros < 0 or zeros - 4 > last:
                break
            at = zeros - 4
            if self._is_head(block, at):
                return at
            at += 1
        return max(at, last + 1)
