"""From planes in space to grids: which slices make one stack, in which order, and what is wrong with it.

Planes come from the files of a classic series or from the frames of one multi-frame object; both are judged alike
(PS3.3 C.7.6.2 Image Plane, C.7.6.16.2 functional groups). Slices are ordered along the normal (row × column), so that
every affine is right-handed. Nothing is resampled, nothing is dropped.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vasculum.model.description import Finding
from vasculum.model.geometry import SPACING_TOLERANCE, Geometry, Vector
from vasculum.model.kinds import Severity

TILT_DEGREES = 0.1
"""A shear of the stack by less than this is rounding."""
ORIENTATION_TOLERANCE = 1e-3
SAME_PLACE = 0.01
"""Slices closer than this share of a pixel are at the same place."""

Cosines = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice: where it lies and what tells it from others at the same place."""

    index: int
    """Its place in the caller's list."""
    rows: int
    columns: int
    position: Vector | None = None
    """LPS millimetres of the centre of the first voxel."""
    orientation: Cosines | None = None
    """Direction cosines of the row (i), then of the column (j)."""
    spacing: tuple[float, float] | None = None
    """Pixel Spacing: between rows (j), between columns (i), in millimetres."""
    thickness: float = 0.0
    between: float = 0.0
    """Spacing Between Slices; 0 if unknown."""
    tilt: float = 0.0
    """Gantry tilt as declared, degrees."""
    time: float = 0.0
    """Temporal position, echo or trigger: the key of a fourth axis; 0 if unknown."""
    acquisition: float = 0.0
    number: float = 0.0
    """Instance Number or frame number: decides where nothing else does."""
    label: Hashable = ()
    """Slices of different labels (SOP class, image type, echo ...) are never put together."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices that belong together."""

    order: tuple[tuple[int, ...], ...]
    """Indices of planes, by time and then along the normal: shape (t, k)."""
    geometry: Geometry | None = None
    findings: tuple[Finding, ...] = ()
    flat: bool = False
    """True where there is no third dimension: images of one place, or of none."""

    @property
    def indices(self) -> tuple[int, ...]:
        """All planes, in order."""
        return tuple(i for row in self.order for i in row)


def stacks(planes: Sequence[Plane], frame_of_reference: str = "") -> list[Stack]:
    """Sort planes into stacks.

    Every plane ends in exactly one stack. A plane without a place in space goes to a flat stack.
    """
    groups: dict[Hashable, list[Plane]] = defaultdict(list)
    for plane in planes:
        groups[_kin(plane)].append(plane)
    merged = _merge_orientations(list(groups.values()))
    result: list[Stack] = []
    for group in merged:
        result += _sort(group, frame_of_reference)
    return result


def _kin(plane: Plane) -> Hashable:
    spacing = plane.spacing and tuple(float(f"{s:.4g}") for s in plane.spacing)
    orientation = plane.orientation and tuple(round(c, 3) + 0.0 for c in plane.orientation)
    return plane.label, plane.rows, plane.columns, spacing, orientation, plane.position is None


def _merge_orientations(groups: list[list[Plane]]) -> list[list[Plane]]:
    """Join groups that only the rounding of the cosines has parted."""
    if len(groups) < 2 or len(groups) > 200:
        return groups
    merged: list[list[Plane]] = []
    for group in groups:
        for other in merged:
            if _nearly_parallel(group[0], other[0]):
                other += group
                break
        else:
            merged.append(list(group))
    return merged


def _nearly_parallel(a: Plane, b: Plane) -> bool:
    if a.orientation is None or b.orientation is None or _kin(replace(a, orientation=b.orientation)) != _kin(b):
        return False
    return max(abs(x - y) for x, y in zip(a.orientation, b.orientation, strict=True)) < ORIENTATION_TOLERANCE


def _sort(group: list[Plane], frame: str) -> list[Stack]:
    """Sort planes of one orientation and size."""
    first = group[0]
    if first.position is None or first.orientation is None or first.spacing is None:
        return [Stack(tuple((p.index,) for p in sorted(group, key=_sequence)), flat=True)]
    normal = plane_normal(first.orientation)
    if normal is None:
        finding = Finding(
            code="bad-orientation", text="The direction cosines are not two perpendicular unit vectors."
        )
        return [Stack(tuple((p.index,) for p in sorted(group, key=_sequence)), findings=(finding,), flat=True)]
    layers = _layers(group, normal)
    counts = {len(layer) for layer in layers}
    if counts == {1}:
        return _one_per_place([layer[0] for layer in layers], frame)
    if len(layers) == 1:
        return [_all_at_one_place(layers[0], frame)]
    if len(counts) == 1:
        return [_in_time(layers, frame)]
    return _uneven(group, layers, frame)


def _sequence(plane: Plane) -> tuple[float, float, float, int]:
    return plane.time, plane.acquisition, plane.number, plane.index


def plane_normal(orientation: Cosines) -> NDArray[np.float64] | None:
    """Row × column as a unit vector; None where they are not two perpendicular unit vectors."""
    a, b, c, d, e, f = orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    if abs(length - 1) > 0.02 or abs(math.hypot(a, b, c) - 1) > 0.02 or abs(a * d + b * e + c * f) > 0.02:
        return None
    return np.array(normal) / length


def _layers(group: list[Plane], normal: NDArray[np.float64]) -> list[list[Plane]]:
    """Group planes by their place along the normal, ascending; within a place in the order of acquisition."""
    places = np.array([p.position for p in group], float) @ normal
    assert group[0].spacing is not None
    tolerance = SAME_PLACE * min(group[0].spacing)
    layers: list[list[Plane]] = []
    start = -math.inf
    for n in np.argsort(places, kind="stable"):
        if places[n] - start > tolerance:
            layers.append([])
            start = places[n]
        layers[-1].append(group[n])
    for layer in layers:
        layer.sort(key=_sequence)
    return layers


def _one_per_place(line: list[Plane], frame: str) -> list[Stack]:
    """A plain volume; where its spacing is irregular because two scans are mixed, these."""
    whole = _stack([line], frame)
    if whole.geometry is None or whole.geometry.regular or len(line) < 4:
        return [whole]
    gaps_only = any(f.code == "missing-slices" for f in whole.findings)
    for what, key in _SPLITS[:1] if gaps_only else _SPLITS:
        parts = _parted(line, key)
        if len(parts) > 1 and all(len(part) > 2 for part in parts):  # two slices are always evenly spaced
            pieces = [_stack([part], frame) for part in parts]
            if all(p.geometry is not None and p.geometry.regular for p in pieces):
                return [_mixed(p, what, len(parts)) for p in pieces]
    return [whole]


_SPLITS: tuple[tuple[str, Callable[[Plane], float]], ...] = (
    ("slice thickness", lambda p: p.thickness),
    ("acquisition number", lambda p: p.acquisition),
    ("temporal position", lambda p: p.time),
)


def _parted(planes: list[Plane], key: Callable[[Plane], float]) -> list[list[Plane]]:
    parts: dict[float, list[Plane]] = defaultdict(list)
    for plane in planes:
        parts[key(plane)].append(plane)
    return list(parts.values())


def _mixed(stack: Stack, what: str, count: int) -> Stack:
    text = f"The series holds {count} stacks that differ in {what}; each is kept by itself."
    return replace(stack, findings=(*stack.findings, Finding(code="mixed-series", text=text)))


def _all_at_one_place(layer: list[Plane], frame: str) -> Stack:
    single = _stack([[layer[0]]], frame)
    text = f"All {len(layer)} images lie at one position: this is not a volume."
    order = tuple((p.index,) for p in layer)
    return Stack(order, single.geometry, (Finding(code="not-a-volume", text=text),), flat=True)


def _in_time(layers: list[list[Plane]], frame: str) -> Stack:
    """Equally many planes at every place: a fourth axis."""
    lines = [[layer[t] for layer in layers] for t in range(len(layers[0]))]
    return _stack(lines, frame)


def _uneven(group: list[Plane], layers: list[list[Plane]], frame: str) -> list[Stack]:
    """Some places have more planes than others: whole time points first, then what is doubled."""
    layer_of = {plane.index: n for n, layer in enumerate(layers) for plane in layer}
    for _, key in _SPLITS[::-1]:
        parts = [sorted(part, key=_sequence) for part in _parted(group, key)]
        if len(parts) < 2 or any(len({layer_of[p.index] for p in part}) < len(part) for part in parts):
            continue
        full = [p for part in parts if len(part) == len(layers) for p in part]
        rest = [p for part in parts if len(part) != len(layers) for p in part]
        if full:
            normal = plane_normal(group[0].orientation) if group[0].orientation else None
            assert normal is not None
            text = f"{len(rest)} of {len(group)} images belong to time points that are not complete; they are kept apart."
            finding = Finding(code="incomplete-volume", text=text)
            found = [_in_time(_layers(full, normal), frame), *_peeled(_layers(rest, normal), frame)]
            return [replace(s, findings=(*s.findings, finding)) for s in found]
        if len(parts) <= len(layers):
            return [s for part in parts for s in _sort(part, frame)]
    few = min(len(layer) for layer in layers)
    crowded = sum(len(layer) > few for layer in layers)
    extra = sum(len(layer) - few for layer in layers)
    text = (
        f"{crowded} of {len(layers)} slice positions hold more images than the others; {extra} images are kept apart."
    )
    finding = Finding(code="doubled-slices", text=text)
    return [replace(s, findings=(*s.findings, finding)) for s in _peeled(layers, frame)]


def _peeled(layers: list[list[Plane]], frame: str) -> list[Stack]:
    """Take as many whole stacks as there are, then as many of what is left, and so on."""
    found: list[Stack] = []
    while layers:
        few = min(len(layer) for layer in layers)
        taken = [layer[:few] for layer in layers]
        found.append(_all_at_one_place(taken[0], frame) if len(taken) == 1 and few > 1 else _in_time(taken, frame))
        layers = [layer[few:] for layer in layers if len(layer) > few]
    return found


def _stack(lines: list[list[Plane]], frame: str) -> Stack:
    """Make the grid of planes that are sorted along the normal, one line of them for each time."""
    line = lines[0]
    first = line[0]
    assert first.orientation is not None and first.spacing is not None
    normal = plane_normal(first.orientation)
    assert normal is not None
    points = np.array([p.position for p in line], float)
    findings: list[Finding] = []
    if len(line) == 1:
        step = normal * (first.between or first.thickness or 1.0)
        irregular = ""
        findings.append(
            Finding(code="single-slice", text="There is only one slice of this stack.", severity=Severity.NOTE)
        )
    else:
        step = (points[-1] - points[0]) / (len(line) - 1)
        findings, irregular = _judge(points, normal, step, first.tilt)
    if len(lines) > 1 and not irregular:
        irregular = _moved(lines, points, float(np.linalg.norm(step)))
    affine = plane_affine(first, step)
    try:
        geometry = Geometry.from_affine(
            affine, (len(line), first.rows, first.columns), frame_of_reference=frame, irregular=irregular
        )
    except ValueError as error:
        finding = Finding(code="bad-geometry", text=f"The grid cannot be computed: {error}.", severity=Severity.ERROR)
        return Stack(tuple(tuple(p.index for p in row) for row in lines), findings=(finding,), flat=True)
    return Stack(tuple(tuple(p.index for p in row) for row in lines), geometry, tuple(findings))


def plane_affine(plane: Plane, step: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the matrix (i, j, k) → LPS millimetres of a stack that begins with a plane and goes on by `step`.

    Cosines that were rounded are made unit vectors again: Pixel Spacing is what was meant (C.7.6.2.1.1).
    """
    assert plane.orientation is not None and plane.spacing is not None and plane.position is not None
    row, column = np.array(plane.orientation[:3]), np.array(plane.orientation[3:])
    affine = np.eye(4)
    affine[:3, 0] = row / np.linalg.norm(row) * plane.spacing[1]
    affine[:3, 1] = column / np.linalg.norm(column) * plane.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = plane.position
    return affine


def _judge(
    points: NDArray[np.float64], normal: NDArray[np.float64], step: NDArray[np.float64], declared: float
) -> tuple[list[Finding], str]:
    """Say what is wrong with the places of a line of slices; and why it is irregular, if it is."""
    findings: list[Finding] = []
    along = points @ normal
    length = float(np.linalg.norm(step))
    angle = math.degrees(math.acos(min(1.0, abs(float(step @ normal)) / length)))
    if angle > TILT_DEGREES:
        said = f", Gantry/Detector Tilt says {declared:.4g}°" if declared else ", although the header names no tilt"
        text = f"The slices are sheared by {angle:.2f}° against their normal{said}; the sheared grid is kept."
        findings.append(Finding(code="gantry-tilt", text=text))
    gaps = np.diff(along)
    finding = _uneven_gaps(gaps)
    if finding is not None:
        findings.append(finding)
        return findings, finding.text
    shear = step - (step @ normal) * normal
    expected = points[0] + np.outer(along - along[0], normal + shear / float(step @ normal))
    off = float(np.abs(points - expected).max())
    if off > max(SPACING_TOLERANCE * length, 1e-3):
        text = f"The slices do not lie on one line: up to {off:.3g} mm beside it."
        findings.append(Finding(code="irregular-spacing", text=text))
        return findings, text
    return findings, ""


def _uneven_gaps(gaps: NDArray[np.float64]) -> Finding | None:
    """Judge the distances between slices."""
    median = float(np.median(gaps))
    if float(np.abs(gaps - median).max()) <= SPACING_TOLERANCE * median:
        return None
    smallest, largest = float(gaps.min()), float(gaps.max())
    ratio = gaps / smallest
    if float(np.abs(ratio - np.rint(ratio)).max()) <= 2 * SPACING_TOLERANCE and largest > 1.5 * smallest:
        missing = int(np.rint(ratio).sum()) - len(gaps)
        where = ", ".join(str(n + 1) for n in np.flatnonzero(ratio > 1.5)[:8])
        text = (
            f"{missing} slice{'s are' if missing > 1 else ' is'} missing: steps of {smallest:.4g} mm, "
            f"but {largest:.4g} mm after slice {where}."
        )
        return Finding(code="missing-slices", text=text)
    text = f"The slices are not evenly spaced: {smallest:.4g} to {largest:.4g} mm apart."
    return Finding(code="irregular-spacing", text=text)


def _moved(lines: list[list[Plane]], points: NDArray[np.float64], length: float) -> str:
    """Say how far later time points lie from the first."""
    worst = 0.0
    for line in lines[1:]:
        worst = max(worst, float(np.abs(np.array([p.position for p in line], float) - points).max()))
    if worst <= max(SPACING_TOLERANCE * length, 1e-3):
        return ""
    return f"The time points do not lie in the same place: up to {worst:.3g} mm apart."
