"""VTK XML polydata (``.vtp``): text, base64, and appended arrays, plain or zlib."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Head
from vasculum.formats.surface import Summary, Surface, strips, triangles
from vasculum.formats.text import read_bytes

_READ_BYTES = 1024 * 1024 * 1024
_HEADER_BYTES = 1024 * 1024
_DTYPES = {
    f"{k}{b}": f"{c}{b // 8}" for k, c in (("Int", "i"), ("UInt", "u"), ("Float", "f")) for b in (8, 16, 32, 64)
}
_PIECE = re.compile(rb"<Piece\b[^>]*>")
_SPACE = re.compile(rb'<Array\b[^>]*Name="SPACE"[^>]*format="ascii"[^>]*>([\d\s]*)</Array>')


def known(head: Head) -> bool:
    """By its root element."""
    return re.search(rb'<VTKFile\b[^>]*type="PolyData"', head.start) is not None


def summary(path: Path) -> Summary:
    """Take the counts that the header states."""
    with path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
    pieces = [_counts(piece) for piece in _PIECE.findall(start)]
    if not pieces:
        raise Unreadable("the VTP states no numbers of points and polygons")
    vertices = sum(p.get("NumberOfPoints", 0) for p in pieces)
    faces = sum(p.get("NumberOfPolys", 0) + p.get("NumberOfStrips", 0) for p in pieces)
    return Summary(vertices, faces, _space(start))


def surface(path: Path) -> Surface:
    """Read points, polygons and strips of all pieces."""
    content = read_bytes(path, _READ_BYTES)
    document = _Document.of(content)
    vertices, faces, base = [], [], 0
    for piece in document.root.iter("Piece"):
        flat = document.arrays(piece.find("Points"), "")
        if flat.size % 3:
            raise Unreadable("the points of the VTP are not triples of numbers")
        points = flat.reshape(-1, 3).astype(np.float64)
        polys, bands = _cells(document, piece.find("Polys")), _cells(document, piece.find("Strips"))
        vertices.append(points)
        faces += [triangles(*polys) + base, strips(*bands) + base]
        base += len(points)
    if not vertices:
        raise Unreadable("the VTP has no piece with points")
    return np.concatenate(vertices), np.concatenate(faces)


def _counts(piece: bytes) -> dict[str, int]:
    return {name.decode(): int(n) for name, n in re.findall(rb'(NumberOf\w+)="(\d{1,18})"', piece)}


def _space(start: bytes) -> str:
    """Slicer writes the letters of ``RAS`` or ``LPS`` as their codes."""
    found = _SPACE.search(start)
    letters = "".join(chr(int(code)) for code in found[1].split()[:3] if int(code) < 128) if found else ""
    return letters if letters in ("RAS", "LPS") else ""


def _cells(document: _Document, element: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets = document.arrays(element, "offsets").astype(np.int64)
    return np.diff(offsets, prepend=0), document.arrays(element, "connectivity").astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Document:
    root: Any
    appended: bytes
    order: str
    header: np.dtype[Any]
    compressed: bool

    @classmethod
    def of(cls, content: bytes) -> _Document:
        """Parse the XML; appended bytes, which no XML parser takes, are cut out first."""
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import ParseError, fromstring

        appended = b""
        opening = re.search(rb'<AppendedData\b[^>]*encoding="(raw|base64)"[^>]*>\s*_', content)
        if opening:
            end = content.rfind(b"</AppendedData>")
            appended = content[opening.end() : end if end > 0 else None]
            if opening[1] == b"base64":
                raise Unsupported("a VTP with appended base64 is not read", hint="save it in raw or binary mode")
            content = content[: opening.start()] + b"</VTKFile>"
        try:
            root = fromstring(content, forbid_dtd=True)
        except (DefusedXmlException, ParseError, ValueError, LookupError):
            raise Unreadable("the VTP is not well-formed XML") from None
        compressor = root.get("compressor", "")
        if compressor not in ("", "vtkZLibDataCompressor"):
            raise Unsupported(f"a VTP compressed by {compressor[:40]} is not read", hint="save it with zlib or plain")
        order = "<" if root.get("byte_order") == "LittleEndian" else ">"
        header = np.dtype(order + _DTYPES.get(root.get("header_type", "UInt32"), "u4"))
        return cls(root, appended, order, header, bool(compressor))

    def arrays(self, element: Any, name: str) -> NDArray[Any]:
        """Give the array of that name below an element, or its only one; empty if there is none."""
        for found in element.iter("DataArray") if element is not None else ():
            if not name or found.get("Name") == name:
                return self._values(found)
        return np.empty(0, np.int64)

    def _values(self, element: Any) -> NDArray[Any]:
        if element.get("type") not in _DTYPES:
            raise Unsupported("a VTP with numbers of an unknown type is not read")
        dtype = np.dtype(self.order + _DTYPES[element.get("type")])
        form = element.get("format", "ascii")
        try:
            if form == "ascii":
                return np.array((element.text or "").split(), dtype=dtype)
            if form == "appended":
                return np.frombuffer(self._decoded(self.appended[int(element.get("offset")) :]), dtype)
            return np.frombuffer(self._inline((element.text or "").strip()), dtype)
        except (ValueError, TypeError, binascii.Error, zlib.error, IndexError, OverflowError) as error:
            if isinstance(error, Unreadable):
                raise
            raise Unreadable("an array of the VTP is damaged") from None

    def _inline(self, text: str) -> bytes:
        """Inline base64: header and content are encoded apart where they are compressed, together where not."""
        if not self.compressed:
            return self._decoded(base64.b64decode(text))
        width = self.header.itemsize
        first = base64.b64decode(text[: -(-width * 3 // 3) * 4])
        blocks = int(np.frombuffer(first, self.header, 1)[0])
        head = 4 * -(-(3 + blocks) * width // 3)
        return self._decoded(base64.b64decode(text[:head]) + base64.b64decode(text[head:]))

    def _decoded(self, raw: bytes) -> bytes:
        width = self.header.itemsize
        if not self.compressed:
            size = int(np.frombuffer(raw, self.header, 1)[0])
            if size > len(raw) - width:
                raise Unreadable("an array of the VTP is shorter than it states")
            return raw[width : width + size]
        blocks, whole, last = (int(v) for v in np.frombuffer(raw, self.header, 3))
        if blocks * width > len(raw) or blocks * whole > _READ_BYTES:
            raise Unreadable("an array of the VTP states an impossible size")
        sizes = np.frombuffer(raw, self.header, blocks, 3 * width)
        at, out = (3 + blocks) * width, []
        for number, size in enumerate(int(s) for s in sizes):
            wanted = last if number == blocks - 1 and last else whole
            out.append(zlib.decompressobj().decompress(raw[at : at + size], wanted + 1))
            if len(out[-1]) != wanted:
                raise Unreadable("an array of the VTP does not have the size that it states")
            at += size
        return b"".join(out)
