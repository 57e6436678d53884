"""Reading a bundle, or any MRB, without a repository: arrays are memory maps into the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vasculum.model.description import Finding


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


class Bundle:
    """An open bundle; a context manager."""


def open_bundle(path: str | Path) -> Bundle:
    """Open a bundle, or an MRB that Slicer wrote.

    Raises
    ------
    Unreadable
        No zip, no scene, or damaged.
    """
    raise NotImplementedError


def inspect(path: str | Path) -> Inspection:
    """Say what a file holds: any MRB, zip, DICOM, NRRD ... No repository is needed, nothing is unpacked.

    Raises
    ------
    Unreadable
        It cannot be read.
    """
    raise NotImplementedError
