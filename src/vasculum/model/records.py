"""What a repository keeps: projects, subjects, studies, series, instances, files (DESIGN 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .description import Finding, Landmark, Segment, Voxels
from .geometry import Geometry
from .kinds import Kind, SubjectKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A body of work with one access policy, one de-identification policy and one metadata schema."""

    id: str
    name: str
    policy: str = "identified"
    """``identified`` (files are kept as they came) or ``open``."""
    schema: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema 2020-12 of the metadata of its subjects; empty: any field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who or what was imaged: DICOM Patient, an animal or a specimen."""

    id: str
    project: str
    """Id of the project."""
    label: str
    """What people call it: PatientID, catalogue number, strain code, folder name. Exactly as it came."""
    kind: SubjectKind = SubjectKind.SPECIMEN
    issuer: str = ""
    """Issuer of Patient ID, where two sites use the same label."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Everything else that is known of it: ``species``, ``strain``, ``sex``, ``accession`` ... from tables, headers, people."""

    def __getitem__(self, name: str) -> Any:
        """Give a metadata field; KeyError if it was never set."""
        return self.metadata[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A place to collect logically related series: DICOM Study."""

    id: str
    subject: str
    uid: str
    """Study Instance UID (``2.25.…`` where we made it)."""
    label: str = ""
    date: str = ""
    """YYYY-MM-DD, or empty."""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes by their SHA-256."""

    sha256: str
    size: int
    location: str = ""
    """Empty: in the store. ``file:PATH``: left where it was found. ``member:SHA256/NAME``: inside a stored container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a series: a name and a role for a blob."""

    name: str
    """Part name: unique in its series, relative, with forward slashes. Exactly as it was called."""
    role: str
    blob: Blob
    source: str = ""
    """Where it was imported from (for people; may no longer exist)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """SOP Instance, or one NRRD, mesh or JSON: the smallest thing with identity."""

    id: str
    series: str
    uid: str
    """SOP Instance UID; ``2.25.…`` from the content for other formats."""
    sop_class_uid: str = ""
    file: str = ""
    """Name of the stored file."""
    sha256: str = ""
    version: int = 1
    """2 and more: the same UID came again with other bytes; both are kept (DESIGN 9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One volume, segmentation, set of landmarks, mesh, table, scene or document, of whatever format."""

    id: str
    study: str
    subject: str
    uid: str
    """Series Instance UID (``2.25.…`` where we made it)."""
    kind: Kind
    format: str
    label: str = ""
    modality: str = ""
    geometry: Geometry | None = None
    voxels: Voxels | None = None
    segments: tuple[Segment, ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    findings: tuple[Finding, ...] = ()
    voxel_print: str = ""
    files: tuple[StoredFile, ...] = ()
    """Filled when a single series is asked for; empty in lists."""
    sources: tuple[str, ...] = ()
    """Ids of the series it was derived from."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What people set on it."""
    imported: datetime | None = None
    activity: str = ""
    """Id of the `Activity` that brought or made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """W3C PROV: a person or a software that did something."""

    name: str
    kind: str = "software"
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """W3C PROV: something that was done."""

    id: str
    type: str
    """``import``, ``annotate``, ``pack``, ``process`` ..."""
    started: datetime
    agent: Agent
    parameters: Mapping[str, Any] = field(default_factory=dict)
    used: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Who did what to what (terms of PS3.15 A.5); a chain: each row holds the digest of the one before."""

    sequence: int
    time: datetime
    action: str
    """C, R, U, D or E: create, read, update, delete, execute."""
    event: str
    """Event name: ``Data Import``, ``Data Export`` ..."""
    agent: str
    objects: tuple[str, ...]
    """Ids only."""
    outcome: int = 0
    digest: str = ""
