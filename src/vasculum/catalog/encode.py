"""Records as compressed JSON and back. Every string comes back exactly: the standard library's JSON escapes lone surrogates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import zstandard

T = TypeVar("T")

RECORD_BYTES = 1 << 30
"""More than any record may have when it is unpacked."""

SHORT = 160
"""Shorter records are kept as they are: compressing them costs time and saves nothing."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=msgspec.to_builtins)
_EMPTY: tuple[object, ...] = (None, "", [], {}, b"")


def plain(record: object) -> dict[str, Any]:
    """Make a dictionary of a dataclass, without the fields that hold nothing."""
    fields = msgspec.to_builtins(record, builtin_types=(bytes,), str_keys=True)
    return {name: value for name, value in fields.items() if value not in _EMPTY}


def packed(value: object) -> bytes:
    """Give JSON of plain values, compressed where that is worth it; nothing for nothing."""
    if value in _EMPTY:
        return b""
    text = _ENCODER.encode(value).encode("ascii")
    return text if len(text) < SHORT else zstandard.ZstdCompressor(level=1).compress(text)


def unpacked(body: bytes) -> Any:
    """Undo `packed`; an empty body is None. Also reads DICOM JSON as `Description.header` keeps it."""
    if body.startswith(_ZSTD_MAGIC):
        body = zstandard.ZstdDecompressor().decompress(body, max_output_size=RECORD_BYTES)
    return json.loads(body) if body else None


def converted(value: Any, kind: type[T]) -> T:
    """Make a dataclass of a JSON value."""
    return msgspec.convert(value, kind)


def mapping(body: bytes) -> Mapping[str, Any]:
    """Unpack metadata."""
    return unpacked(body) or {}


def time_text(time: datetime | None) -> str:
    """ISO 8601, or empty."""
    return "" if time is None else time.isoformat()


def time_value(text: str) -> datetime | None:
    """Undo `time_text`."""
    return datetime.fromisoformat(text) if text else None
