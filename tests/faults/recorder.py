"""Faults of a disk, played on the calls that `vasculum.store` makes: a kill or an error at the n-th, or a power cut.

The calls are those of `os` that change a file system. A power cut is simulated from a record of them, after ALICE
(Pillai et al., OSDI 2014): what was not flushed is lost, in two models.

- ``posix``: a name survives only where its folder (or, as on every journalling file system, the file itself under
  that name) was flushed after it was given.
- ``names first``: every name survives at once, bytes only when flushed: the empty-file-after-rename fault.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CALLS = ("open", "write", "fchmod", "fdatasync", "fsync", "replace", "rename", "mkdir", "link", "unlink")
Before = Callable[[str, tuple[Any, ...]], None]
After = Callable[[str, tuple[Any, ...], Any], None]


@contextmanager
def watched(before: Before | None = None, after: After | None = None) -> Iterator[None]:
    """Call `before` and `after` around every call of `CALLS`, in this process."""
    originals = {name: getattr(os, name) for name in CALLS}

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if before:
                before(name, args)
            result = originals[name](*args, **options)
            if after:
                after(name, args, result)
            return result

        return call

    for name in CALLS:
        setattr(os, name, wrapped(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


@dataclass
class FaultAt:
    """A `before` that strikes at the n-th call, once: kills this process, or raises."""

    number: int
    error: int = 0
    """An errno; 0 kills."""
    count: int = 0

    def __call__(self, name: str, args: tuple[Any, ...]) -> None:
        self.count += 1
        if self.count != self.number:
            return
        if not self.error:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.error, os.strerror(self.error))


@dataclass
class _Inode:
    content: bytearray = field(default_factory=bytearray)
    flushed: bytes | None = None


@dataclass
class PowerCut:
    """An `after` that follows what is in the cache and what is on the disk under `root`."""

    root: Path
    names: dict[str, _Inode] = field(default_factory=dict)
    flushed_names: dict[str, _Inode] = field(default_factory=dict)
    _open: dict[int, tuple[str, _Inode | None]] = field(default_factory=dict)

    def __call__(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        act = getattr(self, f"_{name}_" if name == "open" else f"_{name}", None)
        if act:
            act(args, result)

    def states(self) -> Iterator[dict[str, bytes]]:
        """Give what a power cut now could leave on the disk: relative path → content."""
        for names in (self.flushed_names, self.names):
            yield {
                os.path.relpath(path, self.root): inode.flushed or b""
                for path, inode in names.items()
                if path.startswith(str(self.root))
            }

    def _open_(self, args: tuple[Any, ...], result: int) -> None:
        path = os.fspath(args[0])
        if args[1] & os.O_CREAT and path not in self.names:
            self.names[path] = _Inode()
        self._open[result] = (path, self.names.get(path))

    def _write(self, args: tuple[Any, ...], result: int) -> None:
        inode = self._open.get(args[0], ("", None))[1]
        if inode is not None:
            inode.content += bytes(args[1])[:result]

    def _fsync(self, args: tuple[Any, ...], _: Any) -> None:
        path, inode = self._open.get(args[0], ("", None))
        if inode is not None:
            inode.flushed = bytes(inode.content)
            for name, other in self.names.items():
                if other is inode:
                    self.flushed_names[name] = inode
            return
        for names in (self.flushed_names, self.names):
            for name in [n for n in names if str(Path(n).parent) == path]:
                if name in self.names:
                    self.flushed_names[name] = self.names[name]
                else:
                    del self.flushed_names[name]

    _fdatasync = _fsync

    def _replace(self, args: tuple[Any, ...], _: Any) -> None:
        self.names[os.fspath(args[1])] = self.names.pop(os.fspath(args[0]))

    _rename = _replace

    def _unlink(self, args: tuple[Any, ...], _: Any) -> None:
        self.names.pop(os.fspath(args[0]), None)
