"""Points in structured reports and fiducial sets (PS3.3 C.17.3, C.18.9, C.21.2; PS3.16 TID 1500)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vasculum.model.description import Landmark, Reference

from .fields import Fields

MAX_CONTENT_ITEMS = 200_000
MAX_LANDMARKS = 100_000
_TRACKING_IDENTIFIER = ("112039", "DCM")
_TRACKING_UID = ("112040", "DCM")
_COMMENT = ("121106", "DCM")


@dataclass(frozen=True, slots=True)
class _Group:
    """What the nearest measurement group says of the points in it."""

    label: str = ""
    id: str = ""
    description: str = ""


def landmarks_of(fields: Fields) -> tuple[tuple[Landmark, ...], tuple[Reference, ...]]:
    """Give the points of a report that lie in a frame of reference, and these frames."""
    found: list[Landmark] = []
    frames: dict[str, None] = {}
    for group, item in _content(fields):
        if item.text(0x0040A040) != "SCOORD3D" or item.text(0x00700023) not in ("POINT", "MULTIPOINT"):
            continue
        numbers = item.floats(0x00700022)
        points = [numbers[n : n + 3] for n in range(0, len(numbers) // 3 * 3, 3)]
        frames[item.text(0x30060024)] = None
        for n, (x, y, z) in enumerate(points):
            label = group.label or _name(item)[2] or f"P{len(found) + 1}"
            label = f"{label}-{n + 1}" if len(points) > 1 else label
            found.append(Landmark(label=label, position=(x, y, z), id=group.id, description=group.description))
        if len(found) >= MAX_LANDMARKS:
            break
    return tuple(found), tuple(Reference(target=f, how="frame-of-reference") for f in frames if f)


def fiducials_of(fields: Fields) -> tuple[Landmark, ...]:
    """Give the points of a Spatial Fiducials object (PS3.3 C.21.2)."""
    found: list[Landmark] = []
    for group in fields.items(0x0070031C):
        for item in group.items(0x0070031E):
            point = item.item(0x00700318).vector(0x30060050) or item.vector(0x30060050)
            label = item.text(0x00700310) or f"P{len(found) + 1}"
            if point is not None:
                found.append(Landmark(label=label, position=point, description=item.text(0x0070030F)))
    return tuple(found)


def _name(item: Fields) -> tuple[str, str, str]:
    concept = item.item(0x0040A043)
    return concept.text(0x00080100), concept.text(0x00080102), concept.text(0x00080104)


def _content(fields: Fields) -> Iterator[tuple[_Group, Fields]]:
    """Walk the content tree, depth first in document order, each item with what its group says."""
    waiting = [(_Group(), fields)]
    seen = 0
    while waiting and seen < MAX_CONTENT_ITEMS:
        group, item = waiting.pop()
        seen += 1
        children = item.items(0x0040A730)
        yield group, item
        own = _described(group, children)
        waiting.extend((own, child) for child in reversed(children))


def _described(group: _Group, children: list[Fields]) -> _Group:
    for child in children:
        code, scheme, _ = _name(child)
        if (code, scheme) == _TRACKING_IDENTIFIER:
            group = replace(group, label=child.text(0x0040A160))
        elif (code, scheme) == _TRACKING_UID:
            group = replace(group, id=child.text(0x0040A124))
        elif (code, scheme) == _COMMENT:
            group = replace(group, description=child.text(0x0040A160))
    return group
