"""Looking into files: digests, descriptions and voxel prints, made by limited child processes (DESIGN 9)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from vasculum.formats.limited import Examiner
from vasculum.formats.wire import from_bytes, to_bytes
from vasculum.model.description import Description
from vasculum.model.plans import FoundFile
from vasculum.model.progress import Progress
from vasculum.repo.scan import Met

MEMBER_BUDGET_BYTES = 64 * 2**30
"""The most that the members of one container may take when unpacked."""


@dataclass(slots=True)
class Held:
    """A file that was looked into; its description is kept packed, since there may be a million of them."""

    found: FoundFile
    """Without the description."""
    local: str
    """Where the bytes can be read now: the path, or the unpacked copy of a member."""
    root: str
    """The path that the user named, or the container."""
    packed: bytes = b""

    @property
    def description(self) -> Description | None:
        """Unpack the description; None for a refused file."""
        return from_bytes(self.packed) if self.packed else None


class Laboratory:
    """Examines files in child processes, members of containers too. Holds unpacked members until it is closed."""

    def __init__(self, *, workers: int, scratch: Path) -> None:
        self._examiner = Examiner(workers=workers)
        self._scratch = Path(tempfile.mkdtemp(prefix="members-", dir=scratch))

    def __enter__(self) -> Laboratory:
        self._examiner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._examiner.__exit__(kind, error, trace)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def examine(self, met: Sequence[Met], progress: Progress) -> Iterator[Held]:
        """Look into files, and into the members of those that are containers, each member after its container."""
        progress.start("Looking into files", len(met))
        found = self._examiner.examine_all([Path(m.path) for m in met])
        for m, one in zip(met, found, strict=True):
            held = _held(one, m.path, m.root)
            yield held
            progress.advance(1)
            if one.description is not None and one.description.members:
                yield from self._examine_members(one)
        progress.done()

    def _examine_members(self, container: FoundFile) -> Iterator[Held]:
        assert container.description is not None
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        unpacked = self._examiner.extract(
            Path(container.path), list(container.description.members), folder, MEMBER_BUDGET_BYTES
        )
        readable = {name: path for name, path in unpacked.items() if isinstance(path, Path)}
        for name, refusal in unpacked.items():
            if not isinstance(refusal, Path):
                yield Held(_member(container, name, refusal=refusal), "", container.path)
        for (name, path), one in zip(readable.items(), self._examiner.examine_all(readable.values()), strict=True):
            member = replace(one, path=f"{container.path}!/{name}", container=container.sha256, member=name)
            yield _held(member, str(path), container.path)

    def assemble(self, format_name: str, items: dict[str, Description]) -> Sequence[Description]:
        """Sort single files into series. They were parsed by the children; sorting them is our own arithmetic."""
        from vasculum.formats.registry import format_named

        return format_named(format_name).assemble(items)  # type: ignore[attr-defined, no-any-return]

    def voxel_prints(self, jobs: Iterable[tuple[Description, dict[str, str]]], progress: Progress) -> list[str]:
        """Fingerprint volumes; empty where the voxels cannot be read or have no place."""
        todo = [(d, {name: Path(path) for name, path in parts.items()}) for d, parts in jobs]
        progress.start("Fingerprinting volumes", len(todo))
        prints = []
        for result in self._examiner.voxel_prints(todo):
            prints.append(result)
            progress.advance(1)
        progress.done()
        return prints


def _held(found: FoundFile, local: str, root: str) -> Held:
    packed = to_bytes(found.description) if found.description is not None else b""
    return Held(replace(found, description=None), local, root, packed)


def _member(container: FoundFile, name: str, *, refusal: str) -> FoundFile:
    return FoundFile(
        path=f"{container.path}!/{name}",
        size=0,
        mtime_ns=container.mtime_ns,
        refusal=refusal,
        container=container.sha256,
        member=name,
    )


def display_folder(path: str) -> str:
    """Give the folder part of a found path, for real files and members alike (forward slashes)."""
    return os.path.dirname(path).replace(os.sep, "/")
