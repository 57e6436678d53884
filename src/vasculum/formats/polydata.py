"""Legacy VTK files (``# vtk DataFile Version``): POLYDATA as text or binary, file versions 1 to 5."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Head
from vasculum.formats.surface import Summary, Surface, bounds_of, space_in, strips, triangles
from vasculum.formats.text import read_bytes

_READ_BYTES = 1024 * 1024 * 1024
_CELLS = ("VERTICES", "LINES", "POLYGONS", "TRIANGLE_STRIPS")
_DTYPES = {
    **dict.fromkeys(("char", "signed_char"), ">i1"),
    **dict.fromkeys(("unsigned_char", "bit"), ">u1"),
    "short": ">i2",
    "unsigned_short": ">u2",
    "int": ">i4",
    "unsigned_int": ">u4",
    "float": ">f4",
    "double": ">f8",
    "long": ">i8",
    "unsigned_long": ">u8",
    "vtktypeint64": ">i8",
    "vtktypeuint64": ">u8",
    "vtkidtype": ">i8",
    "long_long": ">i8",
}
_NEXT_WORD = re.compile(rb"[\r\n]\s*[A-Z_]{4,}")


def known(head: Head) -> bool:
    """By its first line."""
    return head.start.startswith(b"# vtk DataFile Version")


def summary(path: Path) -> Summary:
    """Count points and cells of polydata; of other data sets only say what they are."""
    found = _parse(read_bytes(path, _READ_BYTES))
    attributes = {"vtk.dataset": (found.dataset,), "vtk.title": (found.title,)}
    if found.dataset != "POLYDATA":
        raise Unsupported(
            f"a legacy VTK file with {found.dataset} is not read", hint="only POLYDATA is; save images as NRRD"
        )
    faces = sum(len(lengths) for name, (lengths, _) in found.cells.items() if name in ("POLYGONS", "TRIANGLE_STRIPS"))
    return Summary(len(found.points), faces, found.space, bounds_of([found.points]), attributes=attributes)


def surface(path: Path) -> Surface:
    """Read points, polygons and strips."""
    found = _parse(read_bytes(path, _READ_BYTES))
    if found.dataset != "POLYDATA":
        raise Unsupported(f"a legacy VTK file with {found.dataset} holds no surface")
    none = (np.empty(0, np.int64), np.empty(0, np.int64))
    faces = np.concatenate(
        [triangles(*found.cells.get("POLYGONS", none)), strips(*found.cells.get("TRIANGLE_STRIPS", none))]
    )
    return found.points.astype(np.float64), faces


@dataclass(slots=True)
class _PolyData:
    dataset: str
    title: str
    space: str
    points: NDArray[Any] = field(default_factory=lambda: np.empty((0, 3)))
    cells: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=dict)
    """By kind: corners of each cell, and all corners."""


@dataclass(slots=True)
class _Cursor:
    """Walks through a file of lines and arrays."""

    content: bytes
    at: int
    binary: bool

    def line(self) -> str | None:
        """Give the next line that is not blank; None at the end."""
        while self.at < len(self.content):
            end = self.content.find(b"\n", self.at)
            end = len(self.content) if end < 0 else end
            line, self.at = self.content[self.at : end], end + 1
            if text := line.strip():
                return text.decode("latin-1")
        return None

    def skip_metadata(self) -> None:
        """A METADATA block ends with a blank line."""
        end = re.compile(rb"\n[ \t\r]*\n").search(self.content, self.at)
        self.at = end.end() if end else len(self.content)

    def array(self, count: int, kind: str) -> NDArray[Any]:
        """Give the next numbers."""
        dtype = np.dtype(_DTYPES.get(kind.lower(), "V"))
        if dtype.kind == "V" or kind.lower() == "bit":
            raise Unsupported(f"a legacy VTK file with numbers of the type {kind[:20]!r} is not read")
        if self.binary:
            end = self.at + count * dtype.itemsize
            if count < 0 or end > len(self.content):
                raise Unreadable("the VTK file ends before its last number")
            found = np.frombuffer(self.content, dtype, count, self.at)
            self.at = end
            return found
        following = _NEXT_WORD.search(self.content, self.at)
        end = following.start() if following else len(self.content)
        words = self.content[self.at : end].split()
        if len(words) < count:
            raise Unreadable("the VTK file ends before its last number")
        self.at = end
        try:
            return np.array(words[:count], dtype="f8" if dtype.kind == "f" else "i8")
        except (ValueError, OverflowError):
            raise Unreadable("a number of the VTK file cannot be read") from None


def _parse(content: bytes) -> _PolyData:
    header = re.match(
        rb"# vtk DataFile Version[^\n]*\n([^\n]*)\n\s*(ASCII|BINARY)\s*\n\s*DATASET\s+(\w+)[^\n]*\n", content
    )
    if not header:
        raise Unreadable("the header of the VTK file is damaged")
    title = header[1].decode("latin-1").strip()
    found = _PolyData(header[3].decode().upper(), title, space_in(header[1]))
    if found.dataset == "POLYDATA":
        cursor = _Cursor(content, header.end(), header[2] == b"BINARY")
        while (line := cursor.line()) is not None and _section(line.split(), cursor, found):
            pass
    return found


def _section(words: list[str], cursor: _Cursor, found: _PolyData) -> bool:
    """Read one section; False where the surface is complete."""
    name = words[0].upper()
    try:
        if name == "POINTS":
            count = int(words[1])
            found.points = cursor.array(3 * count, words[2]).reshape(count, 3)
        elif name in _CELLS:
            found.cells[name] = _cells(int(words[1]), int(words[2]), cursor)
        elif name == "METADATA":
            cursor.skip_metadata()
        elif name == "FIELD":
            _fields(int(words[2]), cursor, found)
        else:
            return False  # POINT_DATA, CELL_DATA
    except (IndexError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("a section of the VTK file is damaged") from None
    return True


def _cells(count: int, size: int, cursor: _Cursor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Version 5 has OFFSETS and CONNECTIVITY; older ones have each cell as its length and its corners."""
    mark = cursor.at
    words = (cursor.line() or "").split()
    if words and words[0] == "OFFSETS":
        offsets = cursor.array(count, words[1]).astype(np.int64)
        following = (cursor.line() or "").split()
        if not following or following[0] != "CONNECTIVITY":
            raise Unreadable("the cells of the VTK file have no corners")
        return np.diff(offsets), cursor.array(size, following[1]).astype(np.int64)
    cursor.at = mark
    flat = cursor.array(size, "int").astype(np.int64)
    if count and size == 4 * count and (flat[::4] == 3).all():  # triangles only: the usual case, without a loop
        return flat[::4], np.delete(flat, np.s_[::4])
    starts, at = [], 0
    for _ in range(count):
        if at >= size or flat[at] < 0:
            raise Unreadable("the cells of the VTK file do not add up")
        starts.append(at)
        at += 1 + int(flat[at])
    if at != size:
        raise Unreadable("the cells of the VTK file do not add up")
    return flat[starts], np.delete(flat, starts)


def _fields(count: int, cursor: _Cursor, found: _PolyData) -> None:
    """Field data before the points; Slicer keeps the coordinate system there."""
    for _ in range(count):
        words = (cursor.line() or "").split()
        if words and words[0] == "METADATA":
            cursor.skip_metadata()
            words = (cursor.line() or "").split()
        if len(words) != 4:
            raise Unreadable("the field data of the VTK file are damaged")
        components, tuples = int(words[1]), int(words[2])
        if words[3] == "string":
            values = [_string(cursor) for _ in range(components * tuples)]
            if words[0] == "SPACE" and values and values[0] in ("RAS", "LPS"):
                found.space = values[0]
        else:
            cursor.array(components * tuples, words[3])


def _string(cursor: _Cursor) -> str:
    """Binary strings have their length before them: one byte with the top bits 11 up to 63 (longer ones: 10, 01, 00)."""
    if not cursor.binary:
        return cursor.line() or ""
    if cursor.at >= len(cursor.content):
        raise Unreadable("the VTK file ends within a text")
    width = {3: 1, 2: 2, 1: 4, 0: 8}[cursor.content[cursor.at] >> 6]
    length = int.from_bytes(cursor.content[cursor.at : cursor.at + width], "big") & ((1 << (8 * width - 2)) - 1)
    start = cursor.at + width
    if start + length > len(cursor.content):
        raise Unreadable("the VTK file ends within a text")
    cursor.at = start + length
    return cursor.content[start : cursor.at].decode("latin-1")
