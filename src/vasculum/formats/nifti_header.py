"""The header of NIfTI-1, NIfTI-2 and Analyze 7.5 files: its fields, extensions and orientation."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable
from vasculum.formats.rawvoxels import DECODE_ERRORS, GZIP_MAGIC, decoder
from vasculum.model.description import Finding, Value
from vasculum.model.geometry import RAS_FROM_LPS, Geometry
from vasculum.model.kinds import Severity

MOST_HEADER_BYTES = 16 * 1024 * 1024
MOST_EXTENSION_TEXT = 64 * 1024
MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 1e-3}
"""Factor to mm by the spatial bits of ``xyzt_units``."""

DISAGREEMENT = 0.1
"""Share of a voxel by which sform and qform may differ at a corner before it is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A NIfTI header."""

    version: int
    """1 or 2; 0 for Analyze 7.5."""
    single: bool
    """True for ``.nii`` (header and voxels in one file), False for a ``.hdr``/``.img`` pair."""
    order: str
    """Byte order, ``<`` or ``>``."""
    fields: Any
    """numpy record with the fields of the definition."""
    extensions: tuple[tuple[int, bytes], ...]

    def number(self, name: str) -> float:
        """Give a scalar field as a float."""
        return float(self.fields[name])

    def integer(self, name: str) -> int:
        """Give a scalar field as an integer."""
        return int(self.fields[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the voxels lie."""

    geometry: Geometry | None
    oriented: bool
    findings: tuple[Finding, ...] = field(default=())


def starts_like_nifti(start: bytes) -> bool:
    """True where (decompressed) bytes begin with a NIfTI header."""
    return start[344:348] in {b"n+1\0", b"ni1\0"} or start[4:8] in {b"n+2\0", b"ni2\0"}


def inflated_start(start: bytes, count: int = 560) -> bytes:
    """Decompress the first bytes of what may be gzip; what cannot be is given back as it is."""
    if not start.startswith(GZIP_MAGIC):
        return start
    try:
        return zlib.decompressobj(31).decompress(start, count)
    except zlib.error:
        return b""


def is_analyze(start: bytes) -> bool:
    """True where bytes are like an Analyze 7.5 header, which has no signature: its length, in either byte order."""
    sizes = {int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")}
    return 348 in sizes and len(start) >= 348


def read_header(path: Path) -> Header:
    """Read the header, compressed or not.

    Raises
    ------
    Unreadable
        The file is too short, or does not begin with a header.
    """
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        stream = decoder(file, "gzip" if packed else "raw")
        try:
            start = stream.read(348)
            if not is_analyze(start):
                start += stream.read(540 - 348)
            fields, version, order = _fields(start)
            single = b"n+" in bytes(fields["magic"].item())[:2] if version else False
            extensions = _extensions(stream, fields, single, order) if version else ()
        except DECODE_ERRORS as error:
            raise Unreadable(f"the NIfTI header cannot be decompressed ({type(error).__name__})") from error
    return Header(version=version, single=single, order=order, fields=fields, extensions=extensions)


def _fields(start: bytes) -> tuple[Any, int, str]:
    from nibabel import nifti1, nifti2

    for size, dtype, version in ((348, nifti1.header_dtype, 1), (540, nifti2.header_dtype, 2)):
        for order in "<>":
            if len(start) >= size and int.from_bytes(start[:4], "little" if order == "<" else "big") == size:
                record = np.frombuffer(start[:size], dtype.newbyteorder(order))[0].copy()
                if version == 1 and not starts_like_nifti(start):
                    return _as_analyze(record), 0, order
                return record, version, order
    raise Unreadable("the file does not begin with a NIfTI header")


def _as_analyze(record: Any) -> Any:
    """Clear what means something else in Analyze 7.5: intents, units, slope, orientation."""
    for name in ("qform_code", "sform_code", "xyzt_units", "intent_code", "scl_slope", "scl_inter"):
        record[name] = 0
    record["vox_offset"] = abs(record["vox_offset"])
    return record


def _extensions(stream: Any, fields: Any, single: bool, order: str) -> tuple[tuple[int, bytes], ...]:
    """Read header extensions: size, code, content; up to the voxels (or the end of a ``.hdr``)."""
    flag = stream.read(4)
    if len(flag) < 4 or not flag[0]:
        return ()
    header_end = int(fields["sizeof_hdr"]) + 4
    until = float(fields["vox_offset"]) if single else math.inf
    room = int(min(MOST_HEADER_BYTES, max(0.0, until - header_end))) if until == until else 0
    found = []
    while room >= 16:
        size, code = (int(n) for n in np.frombuffer(stream.read(8).ljust(8, b"\0"), f"{order}i4"))
        if size < 8 or size > room:
            break
        found.append((code, stream.read(size - 8)))
        room -= size
    return tuple(found)


def attributes_of(header: Header) -> dict[str, tuple[Value, ...]]:
    """Give every field as ``nifti.<field>`` and every extension as ``nifti.extension.<code>``; empty texts are left."""
    attributes: dict[str, tuple[Value, ...]] = {"nifti.version": (header.version,)}
    for name in header.fields.dtype.names:
        value = header.fields[name]
        if value.dtype.kind == "S":
            words: tuple[Value, ...] = tuple(word for word in (_text(value.item()),) if word)
        else:
            words = tuple(_number(number) for number in np.atleast_1d(value).tolist())
        if words:
            attributes[f"nifti.{name}"] = words
    for code, content in header.extensions:
        key = f"nifti.extension.{code}"
        attributes[key] = (*attributes.get(key, ()), _content(content))
    return attributes


def _number(number: float | int) -> Value:
    return number if math.isfinite(number) else str(number)


def _text(raw: bytes) -> str:
    raw = raw.partition(b"\0")[0]
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()


def _content(raw: bytes) -> str:
    text = _text(raw)
    return text if len(text) <= MOST_EXTENSION_TEXT and text.isprintable() | ("\n" in text) else f"{len(raw)} bytes"


def sizes_of(header: Header) -> tuple[int, ...]:
    """Give the lengths of the seven axes (i, j, k, t, and three more), 1 where there are none.

    Raises
    ------
    Unreadable
        The dimensions are no array.
    """
    dim = [int(n) for n in header.fields["dim"]]
    count = dim[0]
    if not 1 <= count <= 7 or any(size < 0 for size in dim[1 : count + 1]):
        raise Unreadable("the NIfTI header declares dimensions that are no array")
    sizes = [max(1, size) for size in dim[1 : count + 1]]
    return (*sizes, *([1] * (7 - count)))


def placement(header: Header) -> Placement:
    """Find the orientation: sform where its code says so, else qform, else the voxel size alone.

    The NIfTI-1 definition has three methods (comments of nifti1.h); coordinates are RAS and become LPS here.
    """
    i, j, k = sizes_of(header)[:3]
    scale, findings = _units(header)
    made: dict[str, Geometry] = {}
    for name, matrix in (("sform", _sform(header)), ("qform", _qform(header)), ("pixdim", _pixdim(header))):
        if matrix is None:
            continue
        try:
            with np.errstate(invalid="ignore", over="ignore"):  # from_affine refuses what comes of it
                lps = RAS_FROM_LPS @ np.diag([scale, scale, scale, 1.0]) @ matrix
            made[name] = Geometry.from_affine(lps, (k, j, i))
        except ValueError as error:
            severity = Severity.ERROR if name == "pixdim" and not made else Severity.WARNING
            findings.append(Finding(code="bad-geometry", text=f"the {name} is unusable: {error}", severity=severity))
    oriented = [name for name in ("sform", "qform") if name in made]
    if len(oriented) == 2 and (differing := _disagreement(made["sform"], made["qform"])):
        findings.append(differing)
    if oriented:
        return Placement(geometry=made[oriented[0]], oriented=True, findings=tuple(findings))
    text = "neither sform nor qform is set: axes are taken to point right, anterior, superior, from the origin"
    findings.append(Finding(code="no-orientation", text=text))
    return Placement(geometry=made.get("pixdim"), oriented=False, findings=tuple(findings))


def _units(header: Header) -> tuple[float, list[Finding]]:
    unit = header.integer("xyzt_units") & 7
    if unit in MILLIMETRES:
        return MILLIMETRES[unit], []
    text = f"the unit of length is not said (xyzt_units {unit}): taken for mm"
    return 1.0, [Finding(code="unknown-unit", text=text, severity=Severity.NOTE)]


def _sform(header: Header) -> NDArray[np.float64] | None:
    if header.integer("sform_code") <= 0:
        return None
    rows = [np.asarray(header.fields[f"srow_{axis}"], float) for axis in "xyz"]
    return np.vstack([*rows, [0, 0, 0, 1]])


def _steps(header: Header) -> NDArray[np.float64]:
    """Voxel sizes; an axis of one voxel may leave its size unsaid."""
    steps = np.abs(np.asarray(header.fields["pixdim"][1:4], float))
    single = np.array(sizes_of(header)[:3]) == 1
    return np.where(single & ((steps == 0) | ~np.isfinite(steps)), 1.0, steps)


def _qform(header: Header) -> NDArray[np.float64] | None:
    if header.integer("qform_code") <= 0:
        return None
    b, c, d = (header.number(f"quatern_{letter}") for letter in "bcd")
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < 1e-7:  # a half turn: rounding of 32-bit numbers must not leave it shortened
        length = math.sqrt(b * b + c * c + d * d) or 1.0
        a, b, c, d = 0.0, b / length, c / length, d / length
    else:
        a = math.sqrt(rest)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    steps = _steps(header)
    steps[2] *= -1 if header.fields["pixdim"][0] < 0 else 1
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * steps
    matrix[:3, 3] = [header.number(f"qoffset_{axis}") for axis in "xyz"]
    return matrix


def _pixdim(header: Header) -> NDArray[np.float64] | None:
    return np.diag([*_steps(header), 1.0])


def _disagreement(sform: Geometry, qform: Geometry) -> Finding | None:
    apart = float(np.abs(sform.corners() - qform.corners()).max())
    if apart <= DISAGREEMENT * min(sform.spacing):
        return None
    text = f"sform and qform differ by up to {apart:.4g} mm: the sform is taken"
    return Finding(code="orientation-disagreement", text=text)
