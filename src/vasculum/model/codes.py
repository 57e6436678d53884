"""Coded concepts (PS3.3 section 8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: DICOM Code Sequence Macro (PS3.3 table 8.8-1)."""

    value: str
    """Code Value, such as ``91609006``."""
    scheme: str
    """Coding Scheme Designator, such as ``SCT``."""
    meaning: str
    """Code Meaning, such as ``Mandible``."""
