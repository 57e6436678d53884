"""The work that is done on untrusted files inside a limited child process (`worker`); plain functions."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from vasculum.errors import Unreadable, VasculumError
from vasculum.formats.base import AssemblingFormat, VoxelFormat
from vasculum.formats.jobs import Assemble, Extract, Print, Unpacked
from vasculum.formats.registry import describe, format_named
from vasculum.model.description import Description
from vasculum.model.plans import FoundFile

CHUNK_BYTES = 1024 * 1024
CHANGED = "it changed while it was read"


def examine(path: Path, root: Path | None = None) -> FoundFile:
    """Hash and describe a file; one of a container may name parts anywhere under `root`.

    Never waits on a pipe or wakes a device. A file whose size, time or place differs before and after is refused.
    """
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):
            return FoundFile(path=str(path), size=0, mtime_ns=before.st_mtime_ns, refusal=_what(before.st_mode))
        sha256 = _sha256(path, before.st_size)
    except OSError as error:
        return FoundFile(path=str(path), size=0, mtime_ns=0, refusal=_unreadable(path, error))
    description, refusal = None, ""
    try:
        description = describe(path, root)
    except VasculumError as error:
        refusal = str(error)
    except OSError as error:
        refusal = _unreadable(path, error)
    if _changed(before, path):
        description, refusal = None, CHANGED
    return FoundFile(
        path=str(path),
        size=before.st_size,
        mtime_ns=before.st_mtime_ns,
        sha256=sha256,
        description=description,
        refusal=refusal,
    )


def assemble(task: Assemble) -> Sequence[Description]:
    """Sort single files into series by their format."""
    port = format_named(task.format)
    if not isinstance(port, AssemblingFormat):
        raise Unreadable(f"files of the format {task.format} are not put together")
    return list(port.assemble(task.items))


def voxel_print(task: Print) -> str:
    """Fingerprint the voxels of a description (DESIGN 4.3); empty where they are none, or have no place in space."""
    from vasculum.model.voxels import voxel_print as fingerprint

    description = task.description
    port = format_named(description.format)
    if description.geometry is None or description.voxels is None or not isinstance(port, VoxelFormat):
        return ""
    array = port.read_voxels(description, lambda name: Path(task.parts[name]))
    return str(fingerprint(array, description.geometry.affine, description.voxels.axes))


def extract(task: Extract) -> list[Unpacked]:
    """Unpack members of a container to the same relative places under a folder, within one budget of bytes."""
    from vasculum.formats.archive import Archive

    unpacked, left = [], task.budget
    with Archive(Path(task.container)) as archive:
        for member in task.members:
            try:
                target = safe_join(Path(task.folder), member)
                target.parent.mkdir(parents=True, exist_ok=True)
                left -= archive.extract(member, target, left)
                unpacked.append(Unpacked(member, str(target)))
            except VasculumError as error:
                unpacked.append(Unpacked(member, refusal=str(error)))
            except OSError as error:
                unpacked.append(
                    Unpacked(member, refusal=f"it could not be unpacked: {error.strerror or 'the disk fails'}")
                )
    return unpacked


def safe_join(folder: Path, member: str) -> Path:
    """Give the place of a member under a folder.

    Raises
    ------
    Unreadable
        The name is absolute, climbs, or names a drive or a stream.
    """
    forward = member.replace("\\", "/")
    parts = PurePosixPath(forward).parts
    windows = PureWindowsPath(forward)
    climbs = ".." in parts or forward.startswith("/") or bool(windows.drive or windows.root)
    if not parts or climbs or "\0" in member or (os.name == "nt" and ":" in member):
        raise Unreadable("the member's name leads out of its container")
    return folder.joinpath(*parts)


def _sha256(path: Path, size: int) -> str:
    """Hash at most `size` bytes: a file may grow as fast as it is read."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        digest = hashlib.sha256()
        while size > 0 and (chunk := stream.read(min(size, CHUNK_BYTES))):
            digest.update(chunk)
            size -= len(chunk)
        return digest.hexdigest()


def _changed(before: os.stat_result, path: Path) -> bool:
    try:
        after = path.stat()
    except OSError:
        return True
    keys = ("st_size", "st_mtime_ns", "st_ino", "st_dev")
    return any(getattr(before, key) != getattr(after, key) for key in keys)


def _what(mode: int) -> str:
    for test, word in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return f"it is {word}, not a file"
    return "it is not a regular file"


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is a link that leads nowhere" if path.is_symlink() else "it is no longer there"
    if isinstance(error, PermissionError):
        return "it may not be read: permission denied"
    return f"it cannot be read: {error.strerror or 'the disk does not answer'}"
