"""GIFTI surfaces (``.gii``, also gzipped): coordinates are RAS by the format's definition."""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Head
from vasculum.formats.surface import Summary, Surface
from vasculum.formats.text import read_bytes
from vasculum.model.description import Value

_READ_BYTES = 512 * 1024 * 1024
_DTYPES = {"NIFTI_TYPE_UINT8": "u1", "NIFTI_TYPE_INT32": "i4", "NIFTI_TYPE_FLOAT32": "f4", "NIFTI_TYPE_FLOAT64": "f8"}
_POINTS, _TRIANGLES = "NIFTI_INTENT_POINTSET", "NIFTI_INTENT_TRIANGLE"


def known(head: Head) -> bool:
    """By its root element; gzipped ones by their name too."""
    if head.start.startswith(b"\x1f\x8b"):
        try:
            return head.suffixes.endswith(".gii.gz") and b"<GIFTI" in zlib.decompressobj(31).decompress(
                head.start, 4096
            )
        except zlib.error:
            return False
    return b"<GIFTI" in head.start[:4096]


def summary(path: Path) -> Summary:
    """Take the counts that the arrays state."""
    arrays = [(a.get("Intent", ""), _dimensions(a)) for a in _root(path).iter("DataArray")]
    attributes: dict[str, tuple[Value, ...]] = {"gifti.intents": tuple(intent for intent, _ in arrays)}
    vertices = sum(size[0] for intent, size in arrays if intent == _POINTS)
    faces = sum(size[0] for intent, size in arrays if intent == _TRIANGLES)
    if not vertices and arrays:
        attributes["gifti.values"] = (max(size[0] for _, size in arrays),)
    return Summary(vertices, faces, "RAS", attributes=attributes)


def surface(path: Path) -> Surface:
    """Read the first point set and the first triangles."""
    arrays = {a.get("Intent", ""): a for a in reversed(list(_root(path).iter("DataArray")))}
    if _POINTS not in arrays:
        raise Unsupported("the GIFTI holds values for a surface, but no surface")
    faces = _values(arrays[_TRIANGLES]) if _TRIANGLES in arrays else np.empty((0, 3))
    try:
        points = _values(arrays[_POINTS]).reshape(-1, 3)
        return points.astype(np.float64), faces.reshape(-1, 3).astype(np.int64)
    except ValueError:
        raise Unreadable("an array of the GIFTI has no three columns") from None


def _root(path: Path) -> Any:
    """Parse. GIFTI names an external document type, which is not fetched; entities are refused."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    raw = read_bytes(path, _READ_BYTES)
    if raw.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as stream:
                raw = stream.read(_READ_BYTES + 1)
        except (OSError, EOFError, zlib.error):
            raise Unreadable("the gzip of the GIFTI is damaged") from None
        if len(raw) > _READ_BYTES:
            raise Unreadable(f"the GIFTI unpacks to more than {_READ_BYTES // 2**20} MiB")
    try:
        return fromstring(raw)
    except (DefusedXmlException, ParseError, ValueError, LookupError):
        raise Unreadable("the GIFTI is not well-formed XML, or declares entities") from None


def _dimensions(array: Any) -> tuple[int, ...]:
    stated = [array.get(f"Dim{n}", "") for n in range(6)]
    sizes = tuple(int(text) for text in stated if re.fullmatch(r"\d{1,12}", text))
    if not sizes:
        raise Unreadable("an array of the GIFTI states no size")
    return sizes


def _values(array: Any) -> NDArray[Any]:
    dtype = _DTYPES.get(array.get("DataType", ""))
    if dtype is None:
        raise Unsupported("a GIFTI with numbers of an unknown type is not read")
    sizes, encoding = _dimensions(array), array.get("Encoding", "")
    found = array.find("Data")
    text = (found.text or "") if found is not None else ""
    count = int(np.prod(sizes))
    order = "<" if array.get("Endian") == "LittleEndian" else ">"
    try:
        if encoding == "ASCII":
            values = np.array(text.split(), dtype=dtype)
        elif encoding in ("Base64Binary", "GZipBase64Binary"):
            raw = base64.b64decode(text)
            size = count * np.dtype(dtype).itemsize
            if encoding.startswith("GZip"):
                raw = zlib.decompressobj(47).decompress(raw, size + 1)
            values = np.frombuffer(raw, order + dtype)
        else:
            raise Unsupported("a GIFTI with its arrays in other files is not read")
    except (ValueError, binascii.Error, zlib.error) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("an array of the GIFTI is damaged") from None
    if values.size != count:
        raise Unreadable("an array of the GIFTI does not have the size that it states")
    column_major = array.get("ArrayIndexingOrder") == "ColumnMajorOrder"
    return values.reshape(sizes, order="F" if column_major else "C")
