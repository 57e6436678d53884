"""A header as DICOM JSON (PS3.18 Annex F.2): what QIDO, `/metadata` and the catalogue are made of."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Any

from .tables import BINARY_VRS
from .values import charset_of, decoded
from .walk import UNDEFINED, DataSet, Element, Header

JsonSet = dict[str, dict[str, Any]]
"""DICOM JSON of a data set: ``{"00100010": {"vr": "PN", "Value": [...]}, ...}``."""

_COMPONENTS = ("Alphabetic", "Ideographic", "Phonetic")


def header_json(header: Header) -> JsonSet:
    """Give the data set (without group 0002) as DICOM JSON; bulk as ``offset=..&length=..`` into the file."""
    return data_set_json(header.elements, little=header.little)


def data_set_json(elements: DataSet, *, little: bool = True, charset: tuple[str, ...] = ()) -> JsonSet:
    """Give a data set as DICOM JSON, sequences within."""
    charset = charset_of(elements, charset)
    return {f"{tag:08X}": element_json(elements[tag], little, charset) for tag in elements}


def element_json(element: Element, little: bool, charset: tuple[str, ...]) -> dict[str, Any]:
    """Give one element as DICOM JSON. The result may be shared: do not change it."""
    vr, value, _, length = element
    if value.__class__ is bytes:
        return (_short_json if length <= 128 else _value_json)(vr, value, little, charset)
    if isinstance(value, list):
        return {"vr": "SQ", "Value": [data_set_json(item, little=little, charset=charset) for item in value]}
    size = "" if length == UNDEFINED else length
    return {"vr": vr, "BulkDataURI": f"offset={element.offset}&length={size}"}


def _value_json(vr: str, value: bytes, little: bool, charset: tuple[str, ...]) -> dict[str, Any]:
    if not value:
        return {"vr": vr}
    if vr in BINARY_VRS:
        return {"vr": vr, "InlineBinary": b64encode(value).decode("ascii")}
    values = decoded(vr, value, little, charset)
    if not values:
        return {"vr": vr}
    if vr == "PN":
        return {"vr": vr, "Value": [_name(v) for v in values]}
    return {"vr": vr, "Value": values}


_short_json = lru_cache(maxsize=16384)(_value_json)
"""The files of a series repeat most of their short values."""


def _name(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    return dict(zip(_COMPONENTS, str(value).split("=")[:3], strict=False))


def pack_json(value: Any) -> bytes:
    """Write JSON and compress it by zstd."""
    import orjson
    import zstandard

    return zstandard.ZstdCompressor(level=3).compress(orjson.dumps(value))


def unpack_json(packed: bytes, limit: int = 2**30) -> Any:
    """Give the value that `pack_json` was given."""
    import orjson

    return orjson.loads(unpack_text(packed, limit))


def unpack_text(packed: bytes, limit: int = 2**30) -> bytes:
    """Give the JSON text of the value that `pack_json` was given."""
    import zstandard

    return bytes(zstandard.ZstdDecompressor().decompress(packed, max_output_size=limit))
