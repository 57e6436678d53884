"""Scratch space of a store: one folder a process, and the leavings of dead processes swept away.

Every process holds a lock on ``tmp/<token>.lock`` while it uses ``tmp/<token>/``. A lock that can be taken belongs to
nobody alive, whatever killed its owner, so its folder can go; process numbers, which are used again, play no part.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from pathlib import Path
from threading import Lock

from .durable import WINDOWS, make_folder

_TOKEN_BYTES = 8
_TOKEN = "[0-9a-f]" * (2 * _TOKEN_BYTES)


class Scratch:
    """A private folder under `root`, made when it is first asked for and removed by `close`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._guard = Lock()
        self._descriptor: int | None = None
        self._folder: Path | None = None
        self._count = 0

    def new_path(self) -> Path:
        """Give a fresh path for a temporary file."""
        with self._guard:
            if self._folder is None:
                self._folder = self._claim()
            self._count += 1
            return self._folder / f"{self._count:08d}"

    def new_folder(self) -> Path:
        """Give a fresh folder for temporary files."""
        folder = self.new_path()
        folder.mkdir()
        return folder

    def _claim(self) -> Path:
        make_folder(self.root)
        sweep(self.root)
        while self._descriptor is None:
            token = secrets.token_hex(_TOKEN_BYTES)
            lock = self.root / f"{token}.lock"
            self._descriptor = _take(lock)  # None where another process swept it in between: again
        folder = self.root / token
        folder.mkdir()
        return folder

    def close(self) -> None:
        """Remove the folder and let the lock go."""
        with self._guard:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                with contextlib.suppress(OSError):
                    self._folder.with_suffix(".lock").unlink()
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._folder = self._descriptor = None


def sweep(root: Path) -> int:
    """Remove the scratch of processes that are gone; give how many."""
    swept = 0
    for folder in root.glob(_TOKEN):
        # A lock is there before its folder and goes after it; only a power cut can part them.
        if not folder.with_suffix(".lock").exists():
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
    for lock in root.glob("*.lock"):
        descriptor = _take(lock, create=False)
        if descriptor is None:
            continue
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        if WINDOWS:  # an open file cannot be deleted there
            os.close(descriptor)
        with contextlib.suppress(OSError):
            lock.unlink()
        if not WINDOWS:
            os.close(descriptor)
        swept += 1
    return swept


def _take(path: Path, *, create: bool = True) -> int | None:
    """Lock a file without waiting; None where somebody holds it, or where it was swept away meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        if create:
            raise
        return None
    try:
        _lock(descriptor)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
