"""The axes of an NRRD: what each means, and where the voxels lie in space."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.nrrd_header import Header
from vasculum.model.description import Finding
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Severity

COMPONENT_KINDS = re.compile(r"(.*-)?(color|vector|gradient|normal|matrix|point|complex|quaternion|stub|scalar)$")
OTHER_KINDS = {"list", "time"}

SPACES: Mapping[str, tuple[float, float, float]] = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
"""Factors that turn anatomical coordinates into LPS."""

MILLIMETRES = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "nm": 1e-6}
_LONG_UNITS = {
    "meter": "m",
    "meters": "m",
    "millimeter": "mm",
    "millimeters": "mm",
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "micrometers": "um",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of an NRRD, the fastest first."""

    size: int
    kind: str = ""
    vector: tuple[float, ...] | None = None
    spacing: float = math.nan
    thickness: float = math.nan
    low: float = math.nan
    high: float = math.nan
    cell: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What the axes mean."""

    letters: str
    """One of ``i j k t c`` per axis, the fastest first; ``-`` for an axis of length 1 that means nothing."""
    geometry: Geometry | None
    findings: tuple[Finding, ...] = field(default=())


def axes_of(header: Header) -> tuple[tuple[Axis, ...], tuple[Finding, ...]]:
    """Give the axes, the fastest first, and what is wrong with their description.

    Raises
    ------
    Unreadable
        ``dimension`` or ``sizes`` are missing, or not whole positive numbers.
    """
    try:
        sizes = [int(word) for word in header.fields["sizes"].split()]
        dimension = int(header.fields["dimension"])
    except (KeyError, ValueError) as error:
        raise Unreadable("the NRRD header has no valid dimension and sizes") from error
    if len(sizes) != dimension or min(sizes, default=0) < 1 or dimension > 16:
        raise Unreadable("the NRRD header declares sizes that are no array")
    findings: list[Finding] = []
    vectors = _vectors(header, dimension, findings)
    columns = {
        name: _numbers(header.fields.get(name, ""), dimension)
        for name in ("spacings", "thicknesses", "axis mins", "axis maxs")
    }
    kinds = _words(header.fields.get("kinds", ""), dimension)
    centers = _words(header.fields.get("centerings", ""), dimension)
    units = _quoted(header.fields.get("units", ""), dimension)
    axes = tuple(
        Axis(
            size=sizes[n],
            kind=kinds[n],
            vector=vectors[n],
            spacing=columns["spacings"][n],
            thickness=columns["thicknesses"][n],
            low=columns["axis mins"][n],
            high=columns["axis maxs"][n],
            cell=centers[n] == "cell",
            unit=units[n],
        )
        for n in range(dimension)
    )
    return axes, tuple(findings)


def _vectors(header: Header, dimension: int, findings: list[Finding]) -> list[tuple[float, ...] | None]:
    text = header.fields.get("space directions", "")
    if not text:
        return [None] * dimension
    words = re.findall(r"none|\([^)]*\)", text, re.IGNORECASE)
    try:
        vectors = [None if word.lower() == "none" else vector(word) for word in words]
    except ValueError:
        vectors = []
    lengths = {len(v) for v in vectors if v is not None}
    if len(vectors) != dimension or len(lengths) > 1 or not lengths <= {2, 3, 4}:
        findings.append(_bad_geometry("the space directions are not one vector per axis"))
        return [None] * dimension
    return vectors


def vector(word: str) -> tuple[float, ...]:
    """Parse ``(a,b,c)``; ValueError if it is not one."""
    return tuple(float(number) for number in word.strip().strip("()").split(","))


def _numbers(text: str, dimension: int) -> list[float]:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    return numbers if len(numbers) == dimension else [math.nan] * dimension


def _words(text: str, dimension: int) -> list[str]:
    words = ["" if word in {"???", "none"} else word.lower() for word in text.split()]
    return words if len(words) == dimension else [""] * dimension


def _quoted(text: str, dimension: int) -> list[str]:
    words = re.findall(r'"([^"]*)"', text)
    return words if len(words) == dimension else [""] * dimension


def _bad_geometry(text: str) -> Finding:
    return Finding(code="bad-geometry", text=text, severity=Severity.ERROR)


def grid_of(header: Header) -> tuple[tuple[Axis, ...], Grid]:
    """Give the axes, say what each means and where the voxels lie.

    Raises
    ------
    Unreadable, Unsupported
        See `axes_of`; there are more than three axes in space, or two lists.
    """
    axes, findings = axes_of(header)
    letters = _letters(axes)
    spatial = [axes[letters.index(letter)] for letter in "ijk" if letter in letters]
    shape = tuple(axes[letters.index(letter)].size if letter in letters else 1 for letter in "kji")
    if any(finding.code == "bad-geometry" for finding in findings):
        return axes, Grid(letters=letters, geometry=None, findings=findings)
    factors, more = _to_lps(header, spatial)
    try:
        matrix = _matrix(header, spatial)
        geometry = None
        if matrix is not None:
            with np.errstate(invalid="ignore", over="ignore"):  # from_affine refuses what comes of it
                lps = factors @ matrix
            geometry = Geometry.from_affine(lps, (shape[0], shape[1], shape[2]))
    except ValueError as error:
        return axes, Grid(letters=letters, geometry=None, findings=(*findings, *more, _bad_geometry(f"{error}")))
    if geometry is None:
        text = "the header says neither space directions nor spacings"
        return axes, Grid(
            letters=letters, geometry=None, findings=(*findings, Finding(code="needs-voxel-size", text=text))
        )
    return axes, Grid(letters=letters, geometry=geometry, findings=(*findings, *more))


def _letters(axes: tuple[Axis, ...]) -> str:
    """Name every axis: those with a direction (or, without any, of domain kind) are i, j, k in order."""
    directed = any(axis.vector is not None for axis in axes)
    spaced = any(not math.isnan(axis.spacing) for axis in axes)
    letters = ""
    for axis in axes:
        placed = [letter for letter in "ijk" if letter in letters]
        if _is_spatial(axis, directed, spaced) and len(placed) < 3:
            letters += "ijk"[len(placed)]
        elif axis.size == 1:
            letters += "-"
        else:
            letters += "c" if COMPONENT_KINDS.match(axis.kind) else "t"
    if letters.count("t") > 1 or letters.count("c") > 1:
        raise Unsupported(f"an NRRD whose axes are {letters!r} is not read: more than one list or time axis")
    if "i" not in letters:
        letters = re.sub("[tc-]", "i", letters, count=1)
    return letters


def _is_spatial(axis: Axis, directed: bool, spaced: bool) -> bool:
    if directed:
        vector = axis.vector
        return vector is not None and not (len(vector) == 4 and vector[3] and not any(vector[:3]))
    named_other = axis.kind in OTHER_KINDS or COMPONENT_KINDS.match(axis.kind)
    return not named_other and not (spaced and math.isnan(axis.spacing))


def _matrix(header: Header, spatial: list[Axis]) -> NDArray[np.float64] | None:
    """Give the 4×4 index → space matrix in the units and the space of the file; None where no size is said.

    Missing axes become perpendicular ones of one unit, as ITK does.
    """
    matrix = np.eye(4)
    if any(axis.vector is not None for axis in spatial):
        for n, axis in enumerate(spatial):
            vector_ = (*(axis.vector or ()), 0.0, 0.0)[:3]
            matrix[:3, n] = vector_
        if len(spatial) == 2:
            normal = np.cross(matrix[:3, 0], matrix[:3, 1])
            matrix[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
        matrix[:3, 3] = _origin(header)
        return matrix
    steps = [_step(axis) for axis in spatial]
    if not steps or any(math.isnan(step) for step in steps):
        return None
    for n, axis in enumerate(spatial):
        matrix[n, n] = steps[n]
        if not math.isnan(axis.low):
            matrix[n, 3] = axis.low + (steps[n] / 2 if axis.cell else 0)
    return matrix


def _step(axis: Axis) -> float:
    if not math.isnan(axis.spacing):
        return axis.spacing
    intervals = axis.size if axis.cell else axis.size - 1
    step = (axis.high - axis.low) / intervals if intervals else math.nan
    return axis.thickness if math.isnan(step) else step


def _origin(header: Header) -> tuple[float, float, float]:
    text = header.fields.get("space origin", "")
    if not text:
        return (0.0, 0.0, 0.0)
    numbers = (*vector(text), 0.0, 0.0)[:3]
    return (numbers[0], numbers[1], numbers[2])


def _to_lps(header: Header, spatial: list[Axis]) -> tuple[NDArray[np.float64], tuple[Finding, ...]]:
    """Give the 4×4 matrix that turns the file's space into LPS millimetres."""
    findings: list[Finding] = []
    space = header.fields.get("space", "").strip().lower()
    base = re.sub(r"(-time|(?<=^ras)t|(?<=^las)t|(?<=^lps)t)$", "", space)
    if base not in SPACES:
        what = f"the space {space!r} is not anatomical" if space else "the header names no space"
        findings.append(Finding(code="no-space", text=f"{what}: taken for LPS, as ITK does", severity=Severity.NOTE))
    signs = SPACES.get(base, (1, 1, 1))
    said = re.findall(r'"([^"]*)"', header.fields.get("space units", ""))[:3] or [axis.unit for axis in spatial]
    units = set(said) - {""}
    unit = units.pop() if len(units) == 1 else ""
    scale = MILLIMETRES.get(_LONG_UNITS.get(unit.lower(), unit))
    if unit and scale is None:
        findings.append(Finding(code="unknown-unit", text=f"the unit {unit!r} is not a length: taken for mm"))
    if units:
        findings.append(Finding(code="unknown-unit", text="the axes have different units: taken for mm"))
    return np.diag([*(sign * (scale or 1.0) for sign in signs), 1.0]), tuple(findings)
