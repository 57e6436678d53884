"""The kinds of series, and the small words that say what happened to a file."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a series holds (DESIGN 3.1). Everything, acquired or derived, DICOM or not, is a series."""

    VOLUME = "volume"
    """Voxels on a grid in space: CT, MR, PET, micro-CT."""
    IMAGE = "image"
    """A picture or a cine: radiograph, ultrasound, photograph, slides without a place in space."""
    SEGMENTATION = "segmentation"
    LANDMARKS = "landmarks"
    MESH = "mesh"
    TRANSFORM = "transform"
    TABLE = "table"
    REPORT = "report"
    """A DICOM structured report, presentation state, plan or measurement document."""
    SCENE = "scene"
    DOCUMENT = "document"
    """Anything else: text, PDF, an unknown format whose bytes are kept."""


class SubjectKind(StrEnum):
    """What lies in the scanner."""

    PATIENT = "patient"
    ANIMAL = "animal"
    SPECIMEN = "specimen"


class Severity(StrEnum):
    """How much a finding matters."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"
