"""What was made from images: segmentations, structured reports, structure sets, and what they refer to."""

from __future__ import annotations

from pathlib import Path

from vasculum.model.description import Description

from .fields import Fields
from .frames import PixelLayout
from .walk import Header


def describe_derived(
    description: Description, header: Header, fields: Fields, layout: PixelLayout | None, path: Path
) -> Description:
    """Complete the description of an instance that is derived from others."""
    return description
