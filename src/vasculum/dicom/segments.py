"""Segmentation objects as label maps (PS3.3 A.51, C.8.20): BINARY, FRACTIONAL and LABELMAP, sparse or not.

The frames of BINARY and FRACTIONAL objects are one segment at one place each, and places without a segment may have no
frame. They are put on one grid; where segments overlap, into as many layers as are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable
from vasculum.model.codes import Code
from vasculum.model.description import Block, Description, Finding, Segment, Voxels
from vasculum.model.geometry import SPACING_TOLERANCE, Geometry
from vasculum.model.kinds import Severity

from .color import srgb
from .decode import decodable_bytes, decode_frame
from .fields import Fields
from .frames import PixelLayout, encapsulated_frames, pixel_layout
from .functional_groups import PER_FRAME, SHARED, frame_planes
from .pixel_source import frame_bytes, open_pixels
from .stack import Plane, plane_affine, plane_normal
from .tables import LABEL_MAP_SEGMENTATION
from .voxels import allocate, read_values
from .walk import Header, read_header

MAX_EMPTY = 100
"""Slices a frame, on the average, of a sparse segmentation; beyond that (and 4096) the gaps are not filled."""
OVERLAP_BYTES = 64 * 2**20
"""Native BINARY objects up to this size are looked into to see whether segments overlap."""

Locate = Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the frames of a segmentation lie."""

    geometry: Geometry | None
    slices: tuple[int, ...]
    """Of every frame: its slice."""


def describe_segmentation(
    description: Description, header: Header, fields: Fields, layout: PixelLayout, path: Path
) -> Description:
    """Complete the description of a segmentation object."""
    grid = _grid(fields, layout)
    segments = _segments(fields)
    numbers = _frame_segments(fields, layout)
    layers = _layers(header, fields, layout, path, numbers, grid)
    count = 1 + max(layers.values(), default=0)
    depth = grid.geometry.shape[0] if grid.geometry else 1 + max(grid.slices, default=0)
    sizes = ((count,) if count > 1 else ()) + (depth, layout.rows, layout.columns)
    highest = max([s.number for s in segments] + list(layers), default=1)
    voxels = Voxels(
        dtype=_label_type(highest).str if _is_split(fields) else layout.dtype,
        axes="tkji" if count > 1 else "kji",
        sizes=sizes,
        encoding="raw" if _is_plain(fields, header, layout, grid) else "dicom",
        blocks=_blocks(description.parts[0].name, layout),
    )
    findings = list(description.findings)
    if fields.text(0x00620001) == "FRACTIONAL":
        text = "Fractions are read as a label map: voxels of at least half belong to the segment."
        findings.append(Finding(code="fractional-segmentation", text=text, severity=Severity.NOTE))
    if grid.geometry is not None and not grid.geometry.regular:
        findings.append(Finding(code="irregular-spacing", text=grid.geometry.irregular))
    return replace(
        description,
        geometry=grid.geometry,
        voxels=voxels,
        segments=tuple(replace(s, layer=layers.get(s.number, 0)) for s in segments),
        findings=tuple(findings),
    )


def _is_plain(fields: Fields, header: Header, layout: PixelLayout, grid: _Grid) -> bool:
    """True where the bytes are the label map already: a native LABELMAP with a frame for every slice, in order."""
    whole = layout.native and not header.inflated and not layout.swapped and layout.bits_allocated in (8, 16)
    return whole and not _is_split(fields) and grid.slices == tuple(range(layout.frames))


def _blocks(part: str, layout: PixelLayout) -> tuple[Block, ...]:
    if not layout.native or layout.bits_allocated == 1:
        return tuple(Block(part=part, frame=n) for n in range(layout.frames))
    size = layout.frame_bytes
    return tuple(
        Block(part=part, offset=layout.offset + n * size, length=size, frame=n) for n in range(layout.frames)
    )


def read_labels(description: Description, locate: Locate) -> NDArray[Any]:
    """Read a segmentation object as a label map.

    Returns
    -------
    ndarray
        Shape (k, j, i), or (layer, k, j, i) where segments overlap; label values are Segment Numbers.

    A native LABELMAP with a frame for every slice is a memory map.

    Raises
    ------
    Unreadable
        The object is not what the description says.
    """
    voxels = description.voxels
    assert voxels is not None
    if voxels.encoding == "raw":
        return read_values(description, locate)
    path = locate(voxels.blocks[0].part if voxels.blocks else description.parts[0].name)
    header = read_header(path)
    layout, fields = pixel_layout(header), Fields.of(header)
    if layout is None or voxels.sizes[-2:] != (layout.rows, layout.columns):
        raise Unreadable("the file has no pixels that can be read")
    grid = _grid(fields, layout)
    labels = allocate(voxels.sizes, voxels.dtype)
    view = labels if voxels.axes == "tkji" else labels[np.newaxis]
    layer_of = {s.number: s.layer for s in description.segments}
    numbers = _frame_segments(fields, layout)
    half = max(1, (fields.integer(0x0062000E, 1) + 1) // 2)
    for n, frame in enumerate(_frames(path, header, layout)):
        k, number = grid.slices[n], numbers[n]
        if k >= view.shape[1]:
            raise Unreadable("the frames lie outside the grid of the description")
        if number is None:
            view[0, k] = frame
        else:
            into = view[min(layer_of.get(number, 0), len(view) - 1), k]
            into[frame >= half] = number
    return labels


def _frames(path: Path, header: Header, layout: PixelLayout) -> Iterator[NDArray[Any]]:
    gray = replace(layout, photometric="MONOCHROME2")
    with open_pixels(path, header) as source:
        encapsulated = None if layout.native else encapsulated_frames(source, layout)
        for n in range(layout.frames):
            yield decode_frame(frame_bytes(source, layout, encapsulated, n), gray, n)


def _is_split(fields: Fields) -> bool:
    """True where a frame is one segment; False for LABELMAP."""
    return fields.text(0x00080016) != LABEL_MAP_SEGMENTATION and fields.text(0x00620001) != "LABELMAP"


def _label_type(highest: int) -> np.dtype[Any]:
    return np.dtype("|u1" if highest < 256 else "<u2" if highest < 65536 else "<u4")


def _frame_segments(fields: Fields, layout: PixelLayout) -> list[int | None]:
    """Segment Number of every frame; None for LABELMAP."""
    if not _is_split(fields):
        return [None] * layout.frames
    shared = fields.item(SHARED).item(0x0062000A).integer(0x0062000B)
    items = fields.items(PER_FRAME)[: layout.frames]
    numbers: list[int | None] = [item.item(0x0062000A).integer(0x0062000B) or shared or 1 for item in items]
    return numbers + [shared or 1] * (layout.frames - len(numbers))


def _grid(fields: Fields, layout: PixelLayout) -> _Grid:
    """Find the grid on which the frames lie; positions may be sparse."""
    planes = frame_planes(fields, layout.rows, layout.columns, layout.frames, "")
    plain = _Grid(None, tuple(range(layout.frames)))
    first = planes[0] if len(planes) == layout.frames else None
    if first is None or first.orientation is None or first.spacing is None:
        return plain
    if any(p.position is None or p.orientation is None for p in planes):
        return plain
    normal = plane_normal(first.orientation)
    if normal is None:
        return plain
    along = np.array([p.position for p in planes], float) @ normal
    places = _distinct(along, 0.01 * min(first.spacing))
    step, irregular = _step(places, first)
    if irregular:
        slices = tuple(int(np.argmin(np.abs(places - a))) for a in along)
        depth = len(places)
        length = (places[-1] - places[0]) / max(1, depth - 1)
    else:
        slices = tuple(round(float(a - places[0]) / step) for a in along)
        depth, length = max(slices) + 1, step
    lowest = planes[int(np.argmin(along))]
    affine = plane_affine(lowest, normal * length)
    try:
        geometry = Geometry.from_affine(
            affine,
            (depth, layout.rows, layout.columns),
            frame_of_reference=fields.text(0x00200052),
            irregular=irregular,
        )
    except ValueError:
        return plain
    return _Grid(geometry, slices)


def _distinct(along: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    ordered = np.sort(along)
    keep = np.concatenate([[True], np.diff(ordered) > tolerance])
    return np.asarray(ordered[keep])


def _step(places: NDArray[np.float64], plane: Plane) -> tuple[float, str]:
    """Give the distance of slices, and why the places are not multiples of it, if they are not."""
    stated = plane.between or plane.thickness
    if len(places) == 1:
        return stated or 1.0, ""
    gaps = np.diff(places)
    for step in (plane.between, float(gaps.min())):
        if step <= 0:
            continue
        ratio = (places - places[0]) / step
        off = float(np.abs(ratio - np.rint(ratio)).max())
        if (
            off <= max(SPACING_TOLERANCE, 1e-4 * ratio[-1])
            and ratio[-1] < max(4096, MAX_EMPTY * len(places))
            and round(float(gaps.min() / step))
        ):
            return float(places[-1] - places[0]) / round(float(ratio[-1])), ""
    return 0.0, f"The slices are not evenly spaced: {gaps.min():.4g} to {gaps.max():.4g} mm apart."


def _layers(
    header: Header,
    fields: Fields,
    layout: PixelLayout,
    path: Path,
    numbers: Sequence[int | None],
    grid: _Grid,
) -> dict[int, int]:
    """Give every segment a layer, the first in which it overlaps no other."""
    present = [n for n in dict.fromkeys(numbers) if n is not None]
    if len(present) < 2 or fields.text(0x00620013) == "NO":
        return dict.fromkeys(present, 0)
    slices: dict[int, set[int]] = defaultdict(set)
    for number, k in zip(numbers, grid.slices, strict=True):
        if number is not None:
            slices[number].add(k)
    if sum(len(s) for s in slices.values()) == len(set().union(*slices.values())):
        return dict.fromkeys(present, 0)
    size = layout.frame_bytes * layout.frames
    binary = fields.text(0x00620001) != "FRACTIONAL" and layout.native and not header.inflated
    if binary and size <= OVERLAP_BYTES and layout.bits_allocated == 1:
        return _layers_by_bits(path, header, layout, numbers, grid)
    return {number: n for n, number in enumerate(present)}


def _layers_by_bits(
    path: Path, header: Header, layout: PixelLayout, numbers: Sequence[int | None], grid: _Grid
) -> dict[int, int]:
    """Compare the packed bits of the frames at each place."""
    packed: dict[int, dict[int, NDArray[np.uint8]]] = defaultdict(dict)
    with open_pixels(path, header) as source:
        for n, number in enumerate(numbers):
            offset, count = decodable_bytes(layout, n)
            raw = source.read(layout.offset + offset, count)
            if len(raw) < count:
                return {s: i for i, s in enumerate(dict.fromkeys(x for x in numbers if x is not None))}
            bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
            skip = n * layout.frame_bits % 8
            assert number is not None
            packed[number][grid.slices[n]] = np.packbits(bits[skip : skip + layout.frame_bits])
    layers: list[dict[int, NDArray[np.uint8]]] = []
    chosen: dict[int, int] = {}
    for number, frames in packed.items():
        for n, layer in enumerate(layers):
            if not any(k in layer and (layer[k] & bits).any() for k, bits in frames.items()):
                chosen[number] = n
                break
        else:
            layers.append({})
            chosen[number] = len(layers) - 1
        into = layers[chosen[number]]
        for k, bits in frames.items():
            into[k] = into[k] | bits if k in into else bits
    return chosen


def _segments(fields: Fields) -> list[Segment]:
    found = []
    for position, item in enumerate(fields.items(0x00620002), 1):
        number = item.integer(0x00620004, position)
        type_item = item.item(0x0062000F)
        lab = item.floats(0x0062000D, 3)
        tags: Mapping[str, str] = {
            name: item.text(tag)
            for name, tag in (("SegmentAlgorithmType", 0x00620008), ("SegmentAlgorithmName", 0x00620009))
            if item.text(tag)
        }
        found.append(
            Segment(
                number=number,
                name=item.text(0x00620005) or item.text(0x00620006) or f"Segment {number}",
                label_value=number,
                id=item.text(0x00620020) or item.text(0x00620021),
                color=srgb([int(v) for v in lab]) if lab else None,
                category=code_of(item.item(0x00620003)),
                type=code_of(type_item),
                modifier=code_of(type_item.item(0x00620011)),
                region=code_of(item.item(0x00082218)),
                tags=tags,
            )
        )
    return [s for s in found if s.number > 0]


def code_of(item: Fields) -> Code | None:
    """Give the code of an item of a code sequence (PS3.3 table 8.8-1); None where it is empty."""
    value = item.text(0x00080100) or item.text(0x00080119) or item.text(0x00080120)
    if not value:
        return None
    return Code(value=value, scheme=item.text(0x00080102), meaning=item.text(0x00080104))
