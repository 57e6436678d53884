"""Whole DICOM headers out of what equals in a series and what differs."""

from __future__ import annotations

from typing import Any

from vasculum.model.description import Description

from .encode import unpacked


def common(description: Description) -> dict[str, Any]:
    """Give the elements that are equal in all instances, as DICOM JSON."""
    return unpacked(description.header) or {}


def whole(description: Description) -> list[dict[str, Any]]:
    """Give the header of every instance, in the order of the parts; tags ascend."""
    shared = common(description)
    each = unpacked(description.differences) or ([{}] if shared else [])
    return [dict(sorted({**shared, **own}.items())) for own in each]
