"""Packing: a subject with its studies and series into one file (DESIGN 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vasculum.formats.base import Locate
from vasculum.model.description import Description, Finding
from vasculum.model.records import Activity, Series, Study, Subject

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is done now)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One series to pack."""

    series: Series
    description: Description
    voxels: Callable[[], NDArray[Any]] | None
    """Gives the values after rescale, axes as in ``description.voxels.axes``; a memory map where possible."""
    locate: Locate
    """Part name → path of the original bytes."""
    headers: Sequence[Mapping[str, Any]] = ()
    """DICOM JSON of every slice, in the order of k; empty for what is not a DICOM series."""
    sources: tuple[str, ...] = ()
    """Ids of the series it derives from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedMember:
    """A file of the bundle."""

    name: str
    size: int
    sha256: str
    what: str
    """In words: ``multi-frame CT image``, ``NRRD header into DICOM/IM000001`` ..."""
    media_type: str
    series: str = ""
    """Id of the series; empty for what belongs to the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A series that is not in the bundle, or not in the form one would expect."""

    series: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """What was packed."""

    path: Path
    size: int
    members: tuple[PackedMember, ...]
    left_out: tuple[LeftOut, ...] = ()
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0


def pack(
    target: Path,
    *,
    subject: Subject,
    studies: Sequence[Study],
    items: Sequence[Item],
    when: datetime,
    software: str,
    activities: Sequence[Activity] = (),
    with_originals: bool = False,
    progress: Progress | None = None,
) -> PackReport:
    """Write one file with everything of a subject.

    Raises
    ------
    Conflict
        The target exists.
    Integrity
        What was read back is not what was written; there is no file then.
    """
    raise NotImplementedError
