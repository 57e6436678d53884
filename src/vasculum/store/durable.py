"""The one place where durability is spelled: write, flush to the platter, rename, flush the folder.

A file counts as written only when its bytes *and* the folder entry that names it were flushed (POSIX promises neither
for the other). Windows has no flush of folders; NTFS journals names itself.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

WINDOWS = os.name == "nt"

READ_ONLY = 0o444
"""Mode of what must not change any more."""


def flush(descriptor: int) -> None:
    """Flush the bytes of an open file, and what is needed to find them again, to the disk."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def start_writeback(descriptor: int) -> None:
    """Ask the system to begin writing a file out, without waiting.

    Where many files are begun before the first is flushed, the file system commits its journal once for all of them
    instead of once for each.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def fsync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create a folder with its parents, durably."""
    missing = [folder, *folder.parents]
    missing = missing[: next((n for n, f in enumerate(missing) if f.is_dir()), len(missing))]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        fsync_folder(made.parent)


def publish(temporary: Path, final: Path) -> None:
    """Give a flushed file its final name; the folder is still to be flushed."""
    try:
        temporary.replace(final)
    except PermissionError:
        if not (WINDOWS and final.exists()):
            raise
        final.chmod(stat.S_IWRITE)  # Windows does not replace a read-only file
        temporary.replace(final)


def remove(path: Path) -> None:
    """Delete a file if it is there, read-only or not."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if not WINDOWS:
            raise
        path.chmod(stat.S_IWRITE)
        path.unlink(missing_ok=True)


def fsync_folders(folders: Iterable[Path]) -> None:
    """Flush the names in several folders, each once."""
    for folder in sorted(set(folders)):
        fsync_folder(folder)


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], None]) -> None:
    """Write a file so that, after any crash, its name shows the old content or the new one, whole.

    Parameters
    ----------
    path
        Where to; its folder must exist.
    content
        The bytes, or a function that writes them to a stream.

    Raises
    ------
    OSError
        The disk is full or failing; the old file is untouched and nothing is left behind.
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as stream:
            if callable(content):
                content(stream)
            else:
                stream.write(content)
            stream.flush()
            flush(stream.fileno())
        publish(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            remove(temporary)
        raise
    fsync_folder(path.parent)
