"""Frames of multi-frame objects in space (PS3.3 C.7.6.16; RT Dose C.8.8.3; NM C.8.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vasculum.model.geometry import Vector

from .fields import Fields
from .stack import Cosines, Plane
from .tables import NUCLEAR_MEDICINE, RT_DOSE

SHARED, PER_FRAME = 0x52009229, 0x52009230
_FRAME_TYPES = (0x00189226, 0x00189329, 0x00189732, 0x00189751, 0x00409096)


@dataclass(frozen=True, slots=True)
class FrameValues:
    """How the numbers of a frame become values."""

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""


def cosines(fields: Fields) -> Cosines | None:
    """Image Orientation (Patient) of an item or a data set."""
    v = fields.floats(0x00200037, 6)
    return (v[0], v[1], v[2], v[3], v[4], v[5]) if v else None


def pixel_spacing(fields: Fields) -> tuple[float, float] | None:
    """Pixel Spacing (between rows, between columns); None where it is missing or not positive."""
    v = fields.floats(0x00280030, 2)
    return (v[0], v[1]) if v and min(v) > 0 else None


def frame_planes(fields: Fields, rows: int, columns: int, frames: int, sop_class: str) -> list[Plane]:
    """Give the plane of every frame."""
    if PER_FRAME in fields:
        return _grouped(fields, rows, columns, frames)
    if sop_class == RT_DOSE:
        return _offset_planes(fields, fields, rows, columns, _dose_offsets(fields, frames))
    if sop_class == NUCLEAR_MEDICINE:
        source = fields if 0x00200032 in fields else fields.item(0x00540022)
        step = fields.number(0x00180088) or fields.number(0x00180050) or 0.0
        return _offset_planes(fields, source, rows, columns, [n * step for n in range(frames)] if step else [])
    return []


def frame_values(fields: Fields, frames: int) -> list[FrameValues]:
    """Give the rescale of every frame where functional groups have it; else one for all."""
    shared = _values(fields.item(SHARED).item(0x00289145))
    top = _values(fields)
    scaling = fields.number(0x3004000E)
    if scaling:
        top = FrameValues(scaling, 0.0, fields.text(0x30040002))
    base = shared or top or FrameValues()
    items = fields.items(PER_FRAME)[:frames]
    each = [_values(item.item(0x00289145)) or base for item in items]
    return each if len(each) == frames and any(v != base for v in each) else [each[0] if each else base]


def _values(fields: Fields) -> FrameValues | None:
    slope, intercept = fields.number(0x00281053), fields.number(0x00281052)
    if slope is None and intercept is None:
        return None
    return FrameValues(slope if slope else 1.0, intercept or 0.0, fields.text(0x00281054))


def _grouped(fields: Fields, rows: int, columns: int, frames: int) -> list[Plane]:
    shared = fields.item(SHARED)
    items = fields.items(PER_FRAME)[:frames]
    planes = []
    for n, item in enumerate(items):
        place, content = _either(item, shared, 0x00209113), item.item(0x00209111)
        measures = _either(item, shared, 0x00289110)
        echo = _either(item, shared, 0x00189114).number(0x00189082) or 0.0
        planes.append(
            Plane(
                index=n,
                rows=rows,
                columns=columns,
                position=place.vector(0x00200032),
                orientation=cosines(_either(item, shared, 0x00209116)),
                spacing=pixel_spacing(measures),
                thickness=measures.number(0x00180050) or 0.0,
                between=measures.number(0x00180088) or 0.0,
                time=content.number(0x00209128) or 0.0,
                acquisition=content.number(0x00209156) or 0.0,
                number=float(n),
                label=(_frame_type(item, shared), echo),
            )
        )
    return planes


def _frame_type(item: Fields, shared: Fields) -> tuple[str, ...]:
    for tag in _FRAME_TYPES[:4]:
        found = _either(item, shared, tag).texts(0x00089007)
        if found:
            return found
    return ()


def _either(item: Fields, shared: Fields, tag: int) -> Fields:
    """A functional group is per frame or shared, never both (PS3.3 C.7.6.16.1.1)."""
    return item.item(tag) if tag in item else shared.item(tag)


def _dose_offsets(fields: Fields, frames: int) -> list[float]:
    offsets = list(fields.floats(0x3004000C))
    if len(offsets) != frames:
        return [0.0] if frames == 1 else []
    return [o - offsets[0] for o in offsets]


def _offset_planes(fields: Fields, source: Fields, rows: int, columns: int, offsets: list[float]) -> list[Plane]:
    """Frames that lie along the normal at given distances from the first."""
    position, orientation, spacing = source.vector(0x00200032), cosines(source), pixel_spacing(fields)
    if position is None or orientation is None or spacing is None:
        return []
    normal = np.cross(np.array(orientation[:3]), np.array(orientation[3:]))
    between = abs(offsets[1] - offsets[0]) if len(offsets) > 1 else 0.0
    planes = []
    for n, offset in enumerate(offsets):
        x, y, z = (float(v) for v in np.array(position) + offset * normal)
        place: Vector = (x, y, z)
        planes.append(
            Plane(
                index=n,
                rows=rows,
                columns=columns,
                position=place,
                orientation=orientation,
                spacing=spacing,
                thickness=fields.number(0x00180050) or 0.0,
                between=between,
                number=float(n),
            )
        )
    return planes
