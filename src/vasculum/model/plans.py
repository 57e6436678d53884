"""Plans and reports of an import: what would happen, and what did (house rule 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .description import Description, Finding
from .kinds import Kind, SubjectKind


class Outcome(StrEnum):
    """What happens to a file. Part of the JSON contract."""

    IMPORTED = "imported"
    KNOWN = "known"
    """These bytes are here already, in this place."""
    REFUSED = "refused"
    """Not taken, and why is in `reason`."""
    SKIPPED = "skipped"
    """Not data: a hidden file, a thumbnail cache, an unpicked member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file as it was met on disk, or inside a container."""

    path: str
    """As given (surrogate escapes where the name is not UTF-8); members of containers as ``scan.mrb!/scan/Data/CT.nrrd``."""
    size: int
    mtime_ns: int
    sha256: str = ""
    description: Description | None = None
    refusal: str = ""
    """Why it could not be read: one sentence."""
    container: str = ""
    """SHA-256 of the container, for a member."""
    member: str = ""
    """Name inside the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSubject:
    """A subject that the import would create or complete."""

    key: str
    label: str
    kind: SubjectKind
    issuer: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSeries:
    """A series that the import would create or complete."""

    key: str
    """Stable within the plan, and across plans of the same files."""
    uid: str
    subject: str
    """Key of the planned subject."""
    study_uid: str
    study_label: str
    study_date: str
    description: Description
    files: Mapping[str, FoundFile]
    """Part name → the file found."""
    why: str
    """What was grouped why, in words: ``DICOM Series Instance UID``, ``same folder and name pattern`` ..."""
    findings: tuple[Finding, ...] = ()
    voxel_print: str = ""
    duplicate_of: str = ""
    """Key or id of a series with the same voxel print."""
    sources: tuple[str, ...] = ()
    """Keys of series it derives from."""
    existing: str = ""
    """Id of the series in the repository that this is, or that it completes; empty: a new one."""
    known: bool = False
    """True where the repository has every byte of it already: nothing is to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """One line of a plan or of a report; the JSON contract of ``import --json``."""

    path: str
    outcome: Outcome
    kind: Kind | None = None
    series: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What an import would do. Nothing has been changed yet."""

    project: str
    subjects: tuple[PlannedSubject, ...]
    series: tuple[PlannedSeries, ...]
    files: tuple[FileOutcome, ...]
    findings: tuple[Finding, ...] = ()
    sources: Mapping[str, tuple[int, int, str]] = field(default_factory=dict)
    """Path → (bytes, mtime in ns, SHA-256) of the files on disk, by which the next import knows them unread."""
    identified: Mapping[str, int] = field(default_factory=dict)
    """How many files carry a person's identity, by carrier: ``DICOM header``, ``file name`` ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did."""

    project: str
    files: tuple[FileOutcome, ...]
    series: tuple[str, ...]
    """Ids of the series created or completed."""
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    bytes_stored: int = 0
