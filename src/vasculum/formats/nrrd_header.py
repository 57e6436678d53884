"""The text of an NRRD header: fields, key/value pairs, axes and their place in space.

Follows the format definition of Teem (NRRD0001 to NRRD0005). Nothing here opens a data file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.model.description import Finding
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Severity

MAGIC = b"NRRD000"
MOST_HEADER_BYTES = 16 * 1024 * 1024

SYNONYMS = {
    "datafile": "data file",
    "lineskip": "line skip",
    "byteskip": "byte skip",
    "blocksize": "block size",
    "sampleunits": "sample units",
    "axismins": "axis mins",
    "axismaxs": "axis maxs",
    "centers": "centerings",
    "oldmin": "old min",
    "oldmax": "old max",
}

_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
TYPES = {name: code for code, names in _TYPES.items() for name in names.split(", ")}
"""numpy type by the names that the definition allows."""

ENCODINGS = {
    "raw": "raw",
    "txt": "text",
    "text": "text",
    "ascii": "text",
    "hex": "hex",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}

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
class Header:
    """A parsed NRRD header."""

    version: int
    fields: Mapping[str, str]
    """Field specifications by canonical name, as text."""
    keys: Mapping[str, str]
    """Key/value pairs, exactly, in the order of the file."""
    comments: tuple[str, ...]
    file_list: tuple[str, ...]
    """Names after ``data file: LIST``."""
    data_offset: int
    """First byte after the blank line that ends the header; the size of the file where there is none."""
    ended: bool
    """Whether there was a blank line."""


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


def read_header(path: Path) -> Header:
    """Read and parse the header of a file.

    Raises
    ------
    Unreadable
        It is not an NRRD header, or is longer than `MOST_HEADER_BYTES`.
    """
    lines: list[str] = []
    ended = False
    with path.open("rb") as stream:
        while line := stream.readline(MOST_HEADER_BYTES):
            if not line.strip(b"\r\n"):
                ended = True
                break
            lines.append(_decoded(line.rstrip(b"\r\n")))
            if stream.tell() > MOST_HEADER_BYTES:
                raise Unreadable("the NRRD header has no end")
        offset = stream.tell()
    if not lines or not re.match(r"NRRD000[1-9]", lines[0]):
        raise Unreadable("the file does not begin like an NRRD")
    return _parsed(lines, offset, ended)


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _parsed(lines: list[str], offset: int, ended: bool) -> Header:
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    comments: list[str] = []
    for number, line in enumerate(lines[1:], start=1):
        name, colon, rest = line.partition(":")
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif rest.startswith("="):
            keys[unescaped(name)] = unescaped(rest[1:])
        elif ":=" in line and not rest.startswith(" "):
            name, _, rest = line.partition(":=")
            keys[unescaped(name)] = unescaped(rest)
        elif colon:
            name = " ".join(name.lower().split())
            name = SYNONYMS.get(name, name)
            fields[name] = rest.strip()
            if name == "data file" and rest.strip().upper().startswith("LIST"):
                names = tuple(text.strip() for text in lines[number + 1 :] if text.strip())
                return _header(lines, fields, keys, comments, names, offset, ended)
        else:
            raise Unreadable(f"line {number + 1} of the NRRD header is neither a field nor a key")
    return _header(lines, fields, keys, comments, (), offset, ended)


def _header(
    lines: list[str],
    fields: dict[str, str],
    keys: dict[str, str],
    comments: list[str],
    names: tuple[str, ...],
    offset: int,
    ended: bool,
) -> Header:
    return Header(
        version=int(lines[0][7:8]),
        fields=fields,
        keys=keys,
        comments=tuple(comments),
        file_list=names,
        data_offset=offset,
        ended=ended,
    )


def unescaped(text: str) -> str:
    """Undo the escapes of key/value pairs: backslash-n and backslash-backslash."""
    return re.sub(r"\\([n\\])", lambda match: "\n" if match[1] == "n" else "\\", text)


def escaped(text: str) -> str:
    r"""Escape a key or a value for a header line."""
    return text.replace("\\", "\\\\").replace("\r\n", "\n").replace("\n", "\\n")


def dtype_of(header: Header) -> str:
    """Give the numpy type with byte order.

    Raises
    ------
    Unreadable
        The type is missing or unknown.
    Unsupported
        The type is ``block``.
    """
    name = " ".join(header.fields.get("type", "").lower().split())
    if name == "block":
        raise Unsupported("NRRD of type block is not read")
    if name not in TYPES:
        raise Unreadable("the NRRD header has no known type")
    code = TYPES[name]
    if code.endswith("1"):
        return "|" + code
    return (">" if header.fields.get("endian", "little").lower() == "big" else "<") + code


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
            if abs(np.linalg.det(np.asarray(geometry.direction))) < 1e-6:
                raise ValueError("two axes point the same way")
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
