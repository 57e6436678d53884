"""What goes into packing, and what comes out: plain values, so that a repository or a test can build them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vasculum.formats.base import Locate
from vasculum.model.description import Description, Finding
from vasculum.model.records import Series


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
    original_name: str = ""
    """What the file was called, where the member had to be called otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A series, or a part of one, that is not in the bundle in a form that programs open."""

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
    """What a person may want to know of how something was written; never an error."""
    seconds: float = 0.0
