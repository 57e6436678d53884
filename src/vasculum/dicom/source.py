"""Bytes of a DICOM file by offset: plain, or inflated as far as they are asked for, never further than a limit."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from vasculum.errors import Unreadable

INFLATE_LIMIT = 256 * 2**20
"""The most that is inflated to find the end of a header."""

_PIECE = 1 << 18


class Source:
    """A file that is read by offset."""

    def __init__(self, path: Path) -> None:
        self._stream: BinaryIO = path.open("rb", buffering=0)
        self.file_size = os.fstat(self._stream.fileno()).st_size
        self.size = self.file_size
        """Bytes in all, as far as known; of an inflated source, how far it could reach."""
        self.exact = True
        """True where `size` is the true size."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stream.close()

    def read(self, offset: int, count: int) -> bytes:
        """Give up to `count` bytes from `offset`; fewer at the end."""
        self._stream.seek(offset)
        got = self._stream.read(max(0, min(count, self.size - offset)))
        while got and len(got) < count and offset + len(got) < self.size:
            more = self._stream.read(min(count, self.size - offset) - len(got))
            if not more:
                break
            got += more
        return got or b""


class Inflated(Source):
    """A source that is a gzip, or whose data set is deflated (PS3.5 A.5), from `start` on."""

    def __init__(self, path: Path, *, start: int = 0, gzip: bool = False, limit: int = INFLATE_LIMIT) -> None:
        super().__init__(path)
        self._next = start
        self._inflater = zlib.decompressobj(31 if gzip else -15)
        self._head = b"" if gzip else super().read(0, start)
        self._bytes = bytearray(self._head)
        self._limit = limit
        self.size = limit
        self.exact = False

    def read(self, offset: int, count: int) -> bytes:
        """Give up to `count` bytes of the inflated stream from `offset`; fewer at the end.

        Raises
        ------
        Unreadable
            The stream is damaged, or goes beyond the limit.
        """
        self._reach(offset + count)
        return bytes(self._bytes[offset : offset + count])

    def _reach(self, end: int) -> None:
        if end > self._limit and not self.exact:
            self._reach(self._limit)
            if not self.exact:
                raise Unreadable("the file inflates beyond its limit", hint="it may be a decompression bomb")
        while len(self._bytes) < end and not self.exact:
            room = min(end - len(self._bytes) + _PIECE, self._limit - len(self._bytes))
            packed = self._inflater.unconsumed_tail
            if not packed and self._next < self.file_size:
                self._stream.seek(self._next)
                packed = self._stream.read(_PIECE)
                self._next += len(packed)
            try:
                piece = self._inflater.decompress(packed, max(1, room))
            except zlib.error as error:
                raise Unreadable("the compressed stream is damaged") from error
            self._bytes += piece
            if self._inflater.eof or (not packed and not piece):
                self.size, self.exact = len(self._bytes), True
            elif len(self._bytes) >= self._limit:
                return
