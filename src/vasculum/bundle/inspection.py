"""Saying what is in a file, without a repository: a bundle, an MRB, a zip, or any single file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vasculum.errors import NotFound, VasculumError
from vasculum.model.description import Description, Finding
from vasculum.model.kinds import Severity

from .container import ContainerReader, Member
from .crate import CRATE_NAME, file_id
from .mirror import NRRD_SUFFIXES, Mirror
from .record import plain

DESCRIBED_MEMBERS = 500
"""Members of a foreign zip that are opened to say what they are; others go by their name."""

DESCRIBED_BYTES = 64 * 1024 * 1024
"""Compressed members up to this size are unpacked to say what they are."""

CRATE_LIMIT = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedMember:
    """A file inside a container (or the file itself), and what it is."""

    name: str
    size: int
    kind: str
    """A `vasculum.model.kinds.Kind`, or ``scene``, ``directory``, ``metadata``; empty if not known."""
    what: str
    format: str = ""
    stored: bool = True
    """False where it is compressed."""
    series: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in a file."""

    path: Path
    container: str
    """``bundle`` (ours), ``mrb``, ``zip``; empty for a single file."""
    members: tuple[InspectedMember, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The record of a bundle; else the header fields of the file."""
    findings: tuple[Finding, ...] = ()


def inspect(path: str | Path) -> Inspection:
    """Say what a file holds: any MRB, zip, DICOM, NRRD ... No repository is needed.

    Raises
    ------
    NotFound
        There is no such file.
    Unreadable, Unsupported
        It cannot be read.
    """
    from vasculum.formats import registry

    path = Path(path)
    if not path.is_file():
        raise NotFound(f"there is no file {path.name}")
    description = registry.describe(path)
    if description.format == "zip":
        return _inspect_container(path, description)
    member = InspectedMember(
        name=path.name,
        size=path.stat().st_size,
        kind=str(description.kind),
        what=_words(description),
        format=description.format,
    )
    return Inspection(
        path=path,
        container="",
        members=(member,),
        metadata=plain(description.attributes),
        findings=description.findings,
    )


def _inspect_container(path: Path, description: Description) -> Inspection:
    from .read import read_record

    with ContainerReader(path) as reader:
        record = read_record(reader)
        crate = read_crate(reader)
        kinds = {str(s.get("id")): str(s.get("kind", "")) for s in record.get("series", ()) if isinstance(s, dict)}
        mirror = Mirror(reader)
        try:
            members = tuple(
                _inspect_member(mirror, member, crate.get(file_id(member.name), {}), kinds, number)
                for number, member in enumerate(reader.members)
            )
        finally:
            mirror.close()
        findings = [*description.findings]
        if reader.unsafe:
            text = f"{len(reader.unsafe)} members have names that climb out or are absolute; they are never read"
            findings.append(Finding(code="climbing-member", text=text, severity=Severity.ERROR))
    scene = any(member.kind == "scene" for member in members)
    container = "bundle" if record else "mrb" if scene else "zip"
    return Inspection(path=path, container=container, members=members, metadata=record, findings=tuple(findings))


def read_crate(reader: ContainerReader) -> dict[str, Mapping[str, Any]]:
    """Give the file entities of the RO-Crate by their ``@id``; empty where there is no crate that can be read."""
    if CRATE_NAME not in reader:
        return {}
    try:
        graph = json.loads(reader.read(CRATE_NAME, limit=CRATE_LIMIT)).get("@graph", [])
        return {str(e["@id"]): e for e in graph if e.get("@type") == "File"}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, VasculumError):
        return {}


def _inspect_member(
    mirror: Mirror, member: Member, entity: Mapping[str, Any], kinds: Mapping[str, str], number: int
) -> InspectedMember:
    kind, what, name = _by_name(member.name), str(entity.get("description", "")), ""
    readable = (member.stored and member.name.lower().endswith(NRRD_SUFFIXES)) or member.size <= DESCRIBED_BYTES
    if not kind and number < DESCRIBED_MEMBERS and readable:
        try:
            description, _ = mirror.describe(member.name)
            kind, name, what = str(description.kind), description.format, what or _words(description)
        except (VasculumError, OSError, ValueError) as error:
            what = what or f"cannot be read: {error}"
    series = str(entity.get("identifier", ""))
    kind = kind or kinds.get(series, "")
    return InspectedMember(
        name=member.name,
        size=member.size,
        kind=kind,
        what=what or kind,
        format=name,
        stored=member.stored,
        series=series,
    )


def _by_name(name: str) -> str:
    """What can be told by the name alone."""
    if name == CRATE_NAME or name.endswith("/Data/vasculum.json"):
        return "metadata"
    if name == "DICOMDIR":
        return "directory"
    return "scene" if name.lower().endswith(".mrml") else ""


def _words(description: Description) -> str:
    """Say in a few words what a file is."""
    parts = [description.format, description.modality, str(description.kind)]
    if description.voxels:
        parts.append("×".join(str(size) for size in description.voxels.sizes))
    if description.geometry:
        parts.append("×".join(f"{size:.4g}" for size in description.geometry.spacing) + " mm")
    if description.segments:
        parts.append(f"{len(description.segments)} segments")
    if description.landmarks:
        parts.append(f"{len(description.landmarks)} landmarks")
    return " ".join(dict.fromkeys(part for part in parts if part))
