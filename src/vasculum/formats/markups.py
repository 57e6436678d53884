"""Landmarks of 3D Slicer: ``.mrk.json`` (markups schema 1.0), ``.fcsv`` (Slicer 3 and 4), ``.acsv`` (Slicer 4 annotations).

Positions are given in LPS millimetres, as doubles, exactly as written (RAS is turned by a change of sign, which loses nothing).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vasculum.errors import Invalid, Unreadable, Unsupported
from vasculum.formats.base import Head
from vasculum.formats.text import decode, flatten, parse_json, read_bytes
from vasculum.formats.writing import replacing
from vasculum.model.description import Description, Finding, Landmark, Part
from vasculum.model.geometry import Vector
from vasculum.model.kinds import Kind, Severity

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "um": 1e-3, "micrometer": 1e-3, "cm": 10.0, "centimeter": 10.0}
_MM_PER_UNIT |= {"m": 1000.0, "meter": 1000.0, "nm": 1e-6, "nanometer": 1e-6, "inch": 25.4}
_FCSV_COLUMNS = (
    "id",
    "x",
    "y",
    "z",
    "ow",
    "ox",
    "oy",
    "oz",
    "vis",
    "sel",
    "lock",
    "label",
    "desc",
    "associatedNodeID",
)
_SLICER3_COLUMNS = ("label", "x", "y", "z", "sel", "vis")
_NOT_IN_ATTRIBUTES = ("position", "orientation")


@dataclass(frozen=True, slots=True)
class MarkupsJson:
    """``.mrk.json``: fiducials, lines, angles, curves, planes and regions of interest."""

    name: str = "markups-json"

    def recognises(self, head: Head) -> bool:
        """By the schema that it names, or by its two essential keys."""
        start = head.start.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not start.startswith(b"{"):
            return False
        return b"markups-schema-" in start or (b'"markups"' in start and head.suffixes.endswith(".json"))

    def describe(self, path: Path) -> Description:
        """Read all control points; everything else goes to attributes under ``markups.``."""
        content = parse_json(read_bytes(path))
        markups = content.get("markups") if isinstance(content, dict) else None
        if not isinstance(markups, list) or not all(isinstance(m, dict) for m in markups):
            raise Unreadable("the JSON holds no list of markups")
        findings: list[Finding] = []
        landmarks = [mark for markup in markups for mark in _markup_landmarks(markup, findings)]
        attributes = dict(flatten("markups", {"schema": content.get("@schema", "")}))
        attributes |= flatten("markups", [_without_positions(m) for m in markups])
        if len(markups) > 1:
            findings.append(
                Finding(
                    code="several-markups",
                    text=f"the file holds {len(markups)} markups; their points are listed one after the other",
                    severity=Severity.NOTE,
                )
            )
        named = [m["name"] for m in markups if isinstance(m.get("name"), str) and m["name"]]
        return Description(
            format=self.name,
            kind=Kind.LANDMARKS,
            parts=(Part(name=path.name),),
            title=named[0] if named else _stem(path),
            landmarks=tuple(landmarks),
            attributes=attributes,
            findings=tuple(findings),
        )


@dataclass(frozen=True, slots=True)
class FiducialCsv:
    """``.fcsv``: the fiducial lists of Slicer 3 (``label,x,y,z,sel,vis``) and Slicer 4."""

    name: str = "fcsv"

    def recognises(self, head: Head) -> bool:
        """By its first comment, or by its name and a comment at the start."""
        start = head.start.removeprefix(b"\xef\xbb\xbf").lstrip()
        known = start.startswith((b"# Markups fiducial file", b"# Fiducial List file"))
        return known or (head.suffixes.endswith(".fcsv") and start.startswith(b"#"))

    def describe(self, path: Path) -> Description:
        """Read the list. Coordinates are RAS unless ``CoordinateSystem`` says LPS (or 1)."""
        text, _ = decode(read_bytes(path))
        header, body = _comments_and_body(text)
        system = _fcsv_system(header.get("CoordinateSystem", "RAS"))
        slicer3 = "Markups fiducial file version" not in header
        default = _SLICER3_COLUMNS if slicer3 else _FCSV_COLUMNS
        columns = [c.strip() for c in header.get("columns", ",".join(default)).split(",")]
        if not {"x", "y", "z"} <= set(columns):
            raise Unreadable("the columns line of the fiducial list names no x, y and z")
        findings: list[Finding] = []
        landmarks = [
            _row_landmark(dict(zip(columns, row, strict=False)), system, slicer3, findings)
            for row in _csv_rows(body)
            if any(cell.strip() for cell in row)
        ]
        attributes = flatten("fcsv", {k: v for k, v in header.items() if k != "Fiducial List file"})
        return Description(
            format=self.name,
            kind=Kind.LANDMARKS,
            parts=(Part(name=path.name),),
            title=header.get("name", "") or _stem(path),
            landmarks=tuple(landmarks),
            attributes=attributes,
            findings=tuple(findings),
        )


@dataclass(frozen=True, slots=True)
class AnnotationCsv:
    """``.acsv``: fiducials, rulers and regions of interest of the Slicer 4 annotations module; always RAS."""

    name: str = "acsv"

    def recognises(self, head: Head) -> bool:
        """By its first comment."""
        return head.start.removeprefix(b"\xef\xbb\xbf").startswith(b"# Annotation file")

    def describe(self, path: Path) -> Description:
        """Read the lines ``point|x|y|z|sel|vis``."""
        text, _ = decode(read_bytes(path))
        header, body = _comments_and_body(text)
        title = header.get("Name", "") or _stem(path)
        columns = header.get("pointColumns", "type|x|y|z|sel|vis").split("|")
        rows = [dict(zip(columns, line.split("|"), strict=False)) for line in body.splitlines()]
        points = [row for row in rows if row.get("type") == "point"]
        findings: list[Finding] = []
        landmarks = [_row_landmark(row | {"label": title}, "RAS", True, findings) for row in points]
        if len(landmarks) > 1:
            landmarks = [_relabelled(mark, f"{title}-{n}") for n, mark in enumerate(landmarks, 1)]
        return Description(
            format=self.name,
            kind=Kind.LANDMARKS,
            parts=(Part(name=path.name),),
            title=title,
            landmarks=tuple(landmarks),
            attributes=flatten("acsv", header),
            findings=tuple(findings),
        )


FORMATS = (MarkupsJson(), FiducialCsv(), AnnotationCsv())


def to_json(
    landmarks: Sequence[Landmark], name: str, *, shape: str = "Fiducial", properties: Mapping[str, Any] | None = None
) -> bytes:
    """Make the bytes of a ``.mrk.json``: schema 1.0.3, LPS, millimetres; doubles read back exactly.

    Parameters
    ----------
    landmarks
        Positions in LPS millimetres.
    name
        Name of the markups node.
    shape
        Markups type: Fiducial, Line, Angle, Curve, ClosedCurve, Plane or ROI.
    properties
        Further members of the markup, such as ``measurements`` or ``display``.

    Raises
    ------
    Invalid
        A defined landmark has a position that is not finite.
    """
    for mark in landmarks:
        _check_position(mark)
    markup = {
        "name": name,
        "type": shape,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": [_control_point(mark, n) for n, mark in enumerate(landmarks, 1)],
        **(properties or {}),
    }
    text = json.dumps({"@schema": SCHEMA, "markups": [markup]}, ensure_ascii=False, indent=1, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate: only the escaped form can carry it
        return json.dumps(json.loads(text), indent=1, allow_nan=False).encode()


def write_json(
    path: Path,
    landmarks: Sequence[Landmark],
    name: str,
    *,
    shape: str = "Fiducial",
    properties: Mapping[str, Any] | None = None,
) -> None:
    """Write a ``.mrk.json``; see `to_json`. The file appears whole or not at all."""
    _write(path, to_json(landmarks, name, shape=shape, properties=properties))


def write_fcsv(path: Path, landmarks: Sequence[Landmark]) -> None:
    """Write a Slicer 4 ``.fcsv`` in LPS; doubles read back exactly. Points that are not defined are left out.

    Raises
    ------
    Invalid
        A text holds a line break, which the format cannot carry, or a position is not finite.
    """
    out = io.StringIO(newline="")
    out.write("# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n")
    out.write(f"# columns = {','.join(_FCSV_COLUMNS)}\n")
    writer = csv.writer(out, lineterminator="\n")
    for n, mark in enumerate(landmarks, 1):
        if not mark.defined:
            continue
        _check_position(mark)
        if any(c in text for text in (mark.id, mark.label, mark.description) for c in "\r\n\0"):
            raise Invalid("a landmark text has a line break, which .fcsv cannot hold", hint="write .mrk.json instead")
        x, y, z = (repr(float(v)) for v in mark.position)
        writer.writerow([mark.id or str(n), x, y, z, 0, 0, 0, 1, 1, 1, 0, mark.label, mark.description, ""])
    _write(path, out.getvalue().encode("utf-8", "surrogateescape"))


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as stream:
        stream.write(content)


def _check_position(mark: Landmark) -> None:
    if mark.defined and not all(math.isfinite(v) for v in mark.position):
        raise Invalid("a landmark has a position that is not a finite number")


def _control_point(mark: Landmark, number: int) -> dict[str, Any]:
    point: dict[str, Any] = {
        "id": mark.id or str(number),
        "label": mark.label,
        "description": mark.description,
        "associatedNodeID": "",
        "position": [float(v) for v in mark.position],
        "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": "defined",
    }
    if not mark.defined:
        point |= {"position": [0.0, 0.0, 0.0], "positionStatus": "undefined"}
    return point


def _markup_landmarks(markup: Mapping[str, Any], findings: list[Finding]) -> list[Landmark]:
    system = str(markup.get("coordinateSystem", "LPS")).upper()
    if system not in ("LPS", "RAS", "0", "1"):
        raise Unsupported(
            f"the coordinate system {system[:20]!r} of the markups is not read", hint="only LPS and RAS are"
        )
    scale = _unit_scale(markup.get("coordinateUnits", "mm"), findings)
    points = markup.get("controlPoints") or []
    if not isinstance(points, list):
        raise Unreadable("the control points of the markups are not a list")
    return [_point_landmark(p, "RAS" if system in ("RAS", "0") else "LPS", scale, findings) for p in points]


def _unit_scale(units: Any, findings: list[Finding]) -> float:
    """Give millimetres per unit; the schema has ``mm`` or ``["mm", "UCUM", "millimeter"]``."""
    word = str(units[0] if isinstance(units, list) and units else units).strip().lower() or "mm"
    if word not in _MM_PER_UNIT:
        findings.append(
            Finding(
                code="unit-unknown",
                text=f"the unit {word[:20]!r} of the positions is not known; taken for millimetres",
            )
        )
    return _MM_PER_UNIT.get(word, 1.0)


def _point_landmark(point: Any, system: str, scale: float, findings: list[Finding]) -> Landmark:
    if not isinstance(point, dict):
        raise Unreadable("a control point of the markups is not an object")
    status = str(point.get("positionStatus", "defined"))
    position = _lps(point.get("position"), system, scale)
    if position is None and status == "defined" and point.get("position") is not None:
        findings.append(_bad_position())
    return Landmark(
        label=str(point.get("label") or ""),
        position=position or (0.0, 0.0, 0.0),
        id=str(point.get("id") or ""),
        description=str(point.get("description") or ""),
        defined=position is not None and status == "defined",
    )


def _row_landmark(row: Mapping[str, str], system: str, slicer3: bool, findings: list[Finding]) -> Landmark:
    position = _lps([row.get(axis, "") for axis in "xyz"], system, 1.0)
    if position is None:
        findings.append(_bad_position())
    return Landmark(
        label=row.get("label", ""),
        position=position or (0.0, 0.0, 0.0),
        id="" if slicer3 else row.get("id", ""),
        description=row.get("desc", ""),
        defined=position is not None,
    )


def _relabelled(mark: Landmark, label: str) -> Landmark:
    return Landmark(label=label, position=mark.position, id=mark.id, defined=mark.defined)


def _bad_position() -> Finding:
    return Finding(
        code="bad-position", text="a point has a position that is not three finite numbers; kept as undefined"
    )


def _lps(position: Any, system: str, scale: float) -> Vector | None:
    """Turn three numbers into LPS millimetres; None where they are not three finite numbers."""
    if not isinstance(position, (list, tuple)) or len(position) != 3:
        return None
    try:
        x, y, z = (float(v) for v in position)
    except (TypeError, ValueError, OverflowError):
        return None
    if not all(math.isfinite(v) for v in (x, y, z)):
        return None
    if scale != 1.0:
        x, y, z = x * scale, y * scale, z * scale
    return (-x, -y, z) if system == "RAS" else (x, y, z)


def _without_positions(markup: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what `landmarks` holds, and the orientations of points (nine numbers each, seldom used)."""
    points = markup.get("controlPoints")
    rest = {k: v for k, v in markup.items() if k != "controlPoints"}
    if isinstance(points, list):
        kept = [{k: v for k, v in p.items() if k not in _NOT_IN_ATTRIBUTES} for p in points if isinstance(p, dict)]
        rest["controlPoints"] = kept
    return rest


def _comments_and_body(text: str) -> tuple[dict[str, str], str]:
    """Split into the ``# key = value`` lines before the first row, and the rest."""
    header: dict[str, str] = {}
    rest = text.removeprefix("\ufeff")
    while rest.lstrip(" \t\r\n").startswith("#"):
        line, _, rest = rest.lstrip(" \t\r\n").partition("\n")
        key, equals, value = line.lstrip("# \t").rstrip("\r").partition("=")
        header[key.strip()] = value.strip() if equals else ""
    return header, rest


def _csv_rows(body: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(body, newline="")))
    except csv.Error:
        raise Unreadable("the rows of the fiducial list cannot be read") from None


def _fcsv_system(code: str) -> str:
    """Slicer 4: 0 RAS, 1 LPS, 2 IJK; since 4.11 in letters."""
    systems = {"0": "RAS", "RAS": "RAS", "1": "LPS", "LPS": "LPS"}
    if code.upper() not in systems:
        raise Unsupported(
            f"the coordinate system {code[:20]!r} of the fiducial list is not read", hint="only RAS and LPS are"
        )
    return systems[code.upper()]


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".mrk.json", ".json", ".fcsv", ".acsv"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
