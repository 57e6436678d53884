"""Looking into files: digests, descriptions and voxel prints, made by limited child processes (DESIGN 9)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import zstandard

from vasculum.errors import VasculumError
from vasculum.formats.base import AssemblingFormat
from vasculum.formats.limited import Examiner
from vasculum.formats.wire import from_bytes, to_bytes
from vasculum.model.description import Description, DicomIdentity, Finding
from vasculum.model.kinds import Severity
from vasculum.model.plans import FoundFile
from vasculum.model.progress import Progress
from vasculum.repo.identify import carries_identity
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
    format: str = ""
    dicom: DicomIdentity | None = None
    identified: bool = False
    """True where its header names a person."""

    @property
    def readable(self) -> bool:
        """False for a refused file."""
        return bool(self.packed)

    def description(self) -> Description:
        """Unpack the description of a readable file."""
        return from_bytes(_unsqueezed(self.packed), Description)


class Laboratory:
    """Examines files in child processes, members of containers too, which are unpacked into the scratch folder."""

    def __init__(self, *, workers: int, scratch_folder: Callable[[], Path]) -> None:
        self._examiner = Examiner(workers=workers)
        self._scratch_folder = scratch_folder
        self._unpacked: list[Path] = []

    def __enter__(self) -> Laboratory:
        self._examiner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._examiner.__exit__(kind, error, trace)
        for folder in self._unpacked:
            shutil.rmtree(folder, ignore_errors=True)

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
        folder = self._scratch_folder()
        self._unpacked.append(folder)
        try:
            unpacked = self._examiner.extract(
                Path(container.path), container.description.members, folder, MEMBER_BUDGET_BYTES
            )
        except VasculumError as error:
            yield Held(_member(container, "", refusal=str(error)), "", container.path)
            return
        readable = [u for u in unpacked if not u.refusal]
        for one in unpacked:
            if one.refusal:
                yield Held(_member(container, one.member, refusal=one.refusal), "", container.path)
        for one, found in zip(
            readable, self._examiner.examine_all((Path(u.path) for u in readable), root=folder), strict=True
        ):
            path = f"{container.path}!/{one.member}"
            member = replace(found, path=path, container=container.sha256, member=one.member)
            yield _held(member, one.path, container.path)

    def assemble(self, format_name: str, items: dict[str, Description]) -> Sequence[Description]:
        """Sort single files into series; where their headers defeat that, every file stands alone, and says so."""
        from vasculum.formats.registry import format_named

        port = format_named(format_name)
        assert isinstance(port, AssemblingFormat)
        try:
            return port.assemble(items)
        except Exception as fault:  # whatever odd headers lead to, no file may be lost
            return [_alone(name, one, type(fault).__name__) for name, one in items.items()]

    def voxel_prints(
        self, jobs: Iterable[tuple[Description, dict[str, str]]], progress: Progress
    ) -> list[str | VasculumError]:
        """Fingerprint volumes; an error in the place of one whose voxels cannot be read."""
        todo = [(d, {name: Path(path) for name, path in parts.items()}) for d, parts in jobs]
        progress.start("Fingerprinting volumes", len(todo))
        prints = []
        for result in self._examiner.voxel_prints(todo):
            prints.append(result)
            progress.advance(1)
        progress.done()
        return prints


def _alone(name: str, one: Description, fault: str) -> Description:
    finding = Finding(
        code="not-assembled",
        text=f"it could not be sorted into a series ({fault}); it stands alone",
        severity=Severity.ERROR,
    )
    parts = (replace(one.parts[0], name=name), *one.parts[1:])
    instances = (one.dicom,) if one.dicom else ()
    blocks = tuple(replace(b, part=name) for b in one.voxels.blocks) if one.voxels else ()
    voxels = replace(one.voxels, blocks=blocks) if one.voxels else None
    return replace(one, parts=parts, instances=instances, voxels=voxels, findings=(*one.findings, finding))


def _held(found: FoundFile, local: str, root: str) -> Held:
    description = found.description
    if description is None:
        return Held(found, local, root)
    return Held(
        found=replace(found, description=None),
        local=local,
        root=root,
        packed=_squeezed(to_bytes(description)),
        format=description.format,
        dicom=description.dicom,
        identified=carries_identity(description.attributes),
    )


def _squeezed(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(content)


def _unsqueezed(content: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(content)


def _member(container: FoundFile, name: str, *, refusal: str) -> FoundFile:
    return FoundFile(
        path=f"{container.path}!/{name}",
        size=0,
        mtime_ns=container.mtime_ns,
        refusal=refusal,
        container=container.sha256,
        member=name,
    )
