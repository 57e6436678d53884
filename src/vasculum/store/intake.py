"""Taking bytes in: one source into one temporary file, hashed on the way."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from vasculum.errors import Integrity, Unavailable, Unreadable, VasculumError
from vasculum.model.progress import Progress

from .base import How, Incoming
from .durable import READ_ONLY, WINDOWS, start_writeback

CHUNK_BYTES = 1024 * 1024

_FICLONE = 0x40049409
"""``ioctl`` of Linux that shares the blocks of one file with another (btrfs, XFS, bcachefs)."""

_FAULTS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EIO: "the disk reports an input/output error",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EMFILE: "too many files are open",
}


@dataclass(slots=True)
class Received:
    """A temporary file, written and still open, not flushed yet."""

    temporary: Path
    descriptor: int
    sha256: str
    size: int
    how: Literal["copy", "hardlink", "reflink"]

    def close(self) -> None:
        """Close the file; again does nothing."""
        if self.descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = -1


def fault(error: OSError) -> str:
    """Say what is wrong with a disk or a file, without its path."""
    return _FAULTS.get(error.errno or 0, os.strerror(error.errno) if error.errno else "the disk does not answer")


def shown(name: str) -> str:
    """Give a file name that can be printed, whatever bytes are in it."""
    return name.encode("utf-8", "backslashreplace").decode()


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; never waits on a pipe or wakes a device.

    Raises
    ------
    Unreadable
        It is a folder, a pipe, a socket or a device, is gone, or may not be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable(f"{shown(path.name)} is not a regular file")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise Unreadable(f"{shown(path.name)} cannot be read: {fault(error)}") from error
    stream = os.fdopen(descriptor, "rb", buffering=0)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return stream
    stream.close()
    raise Unreadable(f"{shown(path.name)} is not a regular file")


def digest_of(stream: BinaryIO) -> tuple[str, int]:
    """Give the SHA-256 and the size of what is left in a stream, in bounded memory."""
    digest, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(CHUNK_BYTES))
    if isinstance(stream, io.RawIOBase | io.BufferedIOBase):
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            size += count
    else:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def receive(item: Incoming, temporary: Path, how: How, progress: Progress | None) -> Received:
    """Bring one source into a new temporary file.

    Raises
    ------
    Unreadable
        The source cannot be read.
    Integrity
        It is not, or no longer, what `item` says.
    Unavailable
        The temporary file cannot be written.
    """
    try:
        received = _linked(item, temporary, how) or _copied(item, temporary, progress)
        if received.how != "copy" and progress:
            progress.advance(received.size)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if item.sha256 and received.sha256 != item.sha256:
        discard(received)
        raise Integrity(f"{shown(item.name)} changed while it was read", hint="import it again")
    return received


def discard(received: Received) -> None:
    """Close and delete a temporary file."""
    received.close()
    with contextlib.suppress(OSError):
        received.temporary.unlink(missing_ok=True)


def _linked(item: Incoming, temporary: Path, how: How) -> Received | None:
    """Share the source's blocks, or None where that is not asked for or not possible."""
    if how == "copy" or not isinstance(item.source, Path):
        return None
    with open_regular(item.source) as source:
        before = os.fstat(source.fileno())
        try:
            if how == "hardlink":
                os.link(item.source.resolve(), temporary)
            else:
                _clone(source.fileno(), temporary)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            return None
        # Hashed after sharing: these are the bytes that were caught, whatever happens to the source's name.
        descriptor = os.open(temporary, (os.O_RDWR if WINDOWS else os.O_RDONLY) | getattr(os, "O_BINARY", 0))
        try:
            with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as stream:
                sha256, size = digest_of(stream)
            _unchanged(item, before, os.fstat(source.fileno()))
        except OSError as error:
            os.close(descriptor)
            raise Unreadable(f"{shown(item.name)} cannot be read: {fault(error)}") from error
        except VasculumError:
            os.close(descriptor)
            raise
    return Received(temporary, descriptor, sha256, size, how)


def _clone(source: int, temporary: Path) -> None:
    if sys.platform != "linux":  # elsewhere a clone is a copy
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    import fcntl

    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.ioctl(descriptor, _FICLONE, source)
        os.fchmod(descriptor, READ_ONLY)
    finally:
        os.close(descriptor)


def _copied(item: Incoming, temporary: Path, progress: Progress | None) -> Received:
    with _source(item) as source:
        before = os.fstat(source.fileno()) if isinstance(item.source, Path) else None
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            descriptor = os.open(temporary, flags, 0o600)
        except OSError as error:
            raise _unwritable(item, error) from error
        try:
            expected = item.size if before is None else before.st_size  # a file may grow as fast as it is read
            sha256, size = _pump(item, source, descriptor, expected, progress)
            if before is not None:
                _unchanged(item, before, os.fstat(source.fileno()))
            if sys.platform != "win32":
                os.fchmod(descriptor, READ_ONLY)
        except BaseException:
            os.close(descriptor)
            raise
    start_writeback(descriptor)
    return Received(temporary, descriptor, sha256, size, "copy")


def _source(item: Incoming) -> BinaryIO:
    if isinstance(item.source, Path):
        return open_regular(item.source)
    try:
        return item.source()
    except OSError as error:
        raise Unreadable(f"{shown(item.name)} cannot be read: {fault(error)}") from error


def _pump(
    item: Incoming, source: BinaryIO, descriptor: int, expected: int | None, progress: Progress | None
) -> tuple[str, int]:
    """Copy a stream into an open file in bounded memory, hashing; stop where it is longer than it should be."""
    digest, size = hashlib.sha256(), 0
    while True:
        try:
            chunk = source.read(CHUNK_BYTES)
        except OSError as error:
            raise Unreadable(f"{shown(item.name)} cannot be read: {fault(error)}") from error
        if not chunk:
            break
        size += len(chunk)
        if expected is not None and size > expected:
            break
        digest.update(chunk)
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError as error:
            raise _unwritable(item, error) from error
        if progress:
            progress.advance(len(chunk))
    if expected is not None and size != expected:
        raise Integrity(f"{shown(item.name)} changed while it was read", hint="import it again")
    return digest.hexdigest(), size


def _unchanged(item: Incoming, before: os.stat_result, after: os.stat_result) -> None:
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Integrity(f"{shown(item.name)} changed while it was read", hint="import it again")


def _unwritable(item: Incoming, error: OSError) -> Unavailable:
    return Unavailable(f"{shown(item.name)} was not stored: {fault(error)}")
