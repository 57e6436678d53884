"""The zip around a bundle: stored members on page boundaries, names that cannot climb, bounded reading.

Slicer's libarchive reads stored and deflated members only (bzip2 and LZMA fail), so nothing else is written.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PureWindowsPath
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Integrity, Invalid, Unreadable, Unsupported

from .digest import BackgroundDigest

PAGE = 4096
"""Bytes: data of aligned members start at multiples of it, so that they can be mapped into memory."""

CHUNK = 4 * 1024 * 1024
MAX_MEMBERS = 200_000
MAX_INFLATED = 4 * 1024**3
"""Bytes that a single compressed member may take in memory."""

MAX_RATIO = 1100
"""Deflate cannot do better than 1032:1; more is a lie in the directory."""

_LOCAL = struct.Struct("<4s5H3L2H")
_PAD_ID = 0xD935
"""Header id of the padding extra field: the one that Android's zipalign uses."""

_ZIP64_EXTRA = 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a zip."""

    name: str
    size: int
    """Bytes when unpacked."""
    stored: bool
    """True where the bytes lie in the zip as they are."""
    sha256: str = ""
    """Known where we have just written it."""


class ContainerWriter:
    """Writes a zip member by member; nothing is held in memory.

    Parameters
    ----------
    path
        File to make; it must not exist.
    when
        Timestamp of all members (zip keeps two-second steps between 1980 and 2107).
    """

    def __init__(self, path: Path, *, when: datetime) -> None:
        self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_STORED, allowZip64=True)
        self._date = _zip_date(when)
        self._folded: set[str] = set()
        self.members: list[Member] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def add_bytes(self, name: str, content: bytes, *, compress: bool = False) -> Member:
        """Add a small member."""
        return self._add(name, (content,), len(content), aligned=False, compress=compress)

    def add_file(self, name: str, path: Path, *, aligned: bool = False, compress: bool = False) -> Member:
        """Add a file by streaming it.

        Raises
        ------
        Invalid
            The name climbs, is absolute or is taken (names that differ by case only are one name on Windows).
        Unreadable
            The file changed its length while it was read.
        """
        size = path.stat().st_size
        with path.open("rb") as stream:
            return self._add(name, iter(lambda: stream.read(CHUNK), b""), size, aligned=aligned, compress=compress)

    def _add(self, name: str, chunks: Iterable[bytes], size: int, *, aligned: bool, compress: bool) -> Member:
        self._claim(name)
        info = zipfile.ZipInfo(name, self._date)
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        info.create_system = 3
        info.external_attr = 0o100644 << 16
        info.file_size = size
        zip64 = size > zipfile.ZIP64_LIMIT - CHUNK
        if aligned:
            info.extra = self._padding(name, zip64)
        written = 0
        with BackgroundDigest() as digest, self._zip.open(info, "w", force_zip64=zip64) as target:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
                written += len(chunk)
            sha256 = digest.hexdigest()
        info.extra = b""  # padding belongs to the local header only; the directory stays small
        if written != size:
            raise Unreadable("a file changed its length while it was packed", hint="pack again when it is complete")
        member = Member(name, size, not compress, sha256)
        self.members.append(member)
        return member

    def _claim(self, name: str) -> None:
        if not is_safe_name(name):
            raise Invalid(f"{name!r} is no name for a member of a bundle")
        if name.casefold() in self._folded:
            raise Invalid(f"there are two members called {name!r}")
        self._folded.add(name.casefold())

    def _padding(self, name: str, zip64: bool) -> bytes:
        # zipfile keeps where the next local header goes in start_dir.
        start = self._zip.start_dir + _LOCAL.size + len(name.encode()) + (_ZIP64_EXTRA if zip64 else 0) + 4
        length = -start % PAGE
        return struct.pack("<HH", _PAD_ID, length) + bytes(length)


def _zip_date(when: datetime) -> tuple[int, int, int, int, int, int]:
    year = min(max(when.year, 1980), 2107)
    return (year, when.month, when.day, when.hour, when.minute, when.second)


def is_safe_name(name: str) -> bool:
    """True for a relative name with forward slashes that stays inside its folder on every system."""
    if not name or name.endswith("/") or "\\" in name or "\0" in name:
        return False
    windows = PureWindowsPath(name)
    if name.startswith("/") or windows.drive or windows.root:
        return False
    return all(part not in {"", ".", ".."} for part in name.split("/"))


class ContainerReader:
    """Reads a zip: maps stored members, inflates others within limits, extracts nothing.

    Raises
    ------
    Unreadable
        It is not a zip, or has more members than `MAX_MEMBERS`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, UnicodeDecodeError) as error:
            raise Unreadable(f"{path.name} is not a sound zip file: {error}") from error
        if len(self._zip.infolist()) > MAX_MEMBERS:
            self._zip.close()
            raise Unreadable(f"{path.name} claims more than {MAX_MEMBERS} members")
        self.unsafe = tuple(i.orig_filename for i in self._zip.infolist() if not _is_safe_entry(i))
        """Names of members that climb or are absolute; they are never read."""
        self._infos = {i.filename: i for i in self._zip.infolist() if _is_safe_entry(i) and not i.is_dir()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Memory maps that were given out stay valid."""
        self._zip.close()

    def __contains__(self, name: object) -> bool:
        return name in self._infos

    @property
    def members(self) -> tuple[Member, ...]:
        """All readable members, in the order of the directory."""
        return tuple(
            Member(i.filename, i.file_size, i.compress_type == zipfile.ZIP_STORED) for i in self._infos.values()
        )

    @property
    def doubled(self) -> tuple[str, ...]:
        """Names that occur more than once (also where they differ by case only)."""
        seen: set[str] = set()
        twice: list[str] = []
        for info in self._zip.infolist():
            if info.filename.casefold() in seen:
                twice.append(info.filename)
            seen.add(info.filename.casefold())
        return tuple(twice)

    def size(self, name: str) -> int:
        """Unpacked bytes of a member."""
        return self._info(name).file_size

    def read(self, name: str, *, limit: int = MAX_INFLATED) -> bytes:
        """Give the whole member; its CRC is checked.

        Raises
        ------
        Unreadable
            No such member, more than `limit` bytes, or damaged.
        """
        return b"".join(self.stream(name, limit=limit))

    def stream(self, name: str, *, limit: int | None = None) -> Iterator[bytes]:
        """Give the bytes of a member in pieces; the CRC is checked at the end.

        Raises
        ------
        Unreadable, Integrity
            No such member; over the limit; damaged.
        """
        info = self._info(name)
        if limit is not None and info.file_size > limit:
            raise Unreadable(f"member {name!r} is larger than {limit} bytes")
        if info.compress_type != zipfile.ZIP_STORED and info.file_size > max(1, info.compress_size) * MAX_RATIO:
            raise Unreadable(f"member {name!r} claims to inflate by more than deflate can", hint="a zip bomb?")
        try:
            with self._zip.open(info) as stream:
                while chunk := stream.read(CHUNK):
                    yield chunk
        except zipfile.BadZipFile as error:
            raise Integrity(f"member {name!r} is damaged: {error}") from error
        except (zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise Unreadable(f"member {name!r} cannot be read: {error}") from error

    def offset(self, name: str) -> int | None:
        """First byte of a stored member in the zip; None for a compressed one.

        Raises
        ------
        Unreadable
            The local header is missing or the member would end outside the file.
        """
        info = self._info(name)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1:
            return None
        with self.path.open("rb") as stream:
            stream.seek(info.header_offset)
            header = stream.read(_LOCAL.size)
            if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
                raise Unreadable(f"member {name!r} has no local header")
            fields = _LOCAL.unpack(header)
            start = info.header_offset + _LOCAL.size + int(fields[9]) + int(fields[10])
        if start + info.file_size > self.path.stat().st_size:
            raise Unreadable(f"member {name!r} ends outside the file")
        return start

    def bytes_of(self, name: str, *, limit: int = MAX_INFLATED) -> NDArray[np.uint8]:
        """Give a member as bytes: a read-only memory map where it is stored, else inflated within `limit`."""
        start = self.offset(name)
        if self._info(name).file_size == 0:
            return np.empty(0, np.uint8)
        if start is None:
            return np.frombuffer(self.read(name, limit=limit), np.uint8)
        return np.memmap(self.path, np.uint8, "r", offset=start, shape=(self._info(name).file_size,))

    def _info(self, name: str) -> zipfile.ZipInfo:
        try:
            info = self._infos[name]
        except KeyError:
            raise Unreadable(f"there is no member {name!r}") from None
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise Unsupported(f"member {name!r} is compressed in a way that Slicer does not read either")
        return info


def _is_safe_entry(info: zipfile.ZipInfo) -> bool:
    # orig_filename: zipfile turns os.sep into "/" and cuts at a NUL; what was written is what counts.
    name = info.orig_filename
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    return not is_link and is_safe_name(name[:-1] if name.endswith("/") else name)
