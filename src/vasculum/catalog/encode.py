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


def packed(value: object) -> bytes:
    """Compress a JSON value (after `msgspec.to_builtins` for dataclasses)."""
    text = json.dumps(msgspec.to_builtins(value, builtin_types=(float,), str_keys=True), separators=(",", ":"))
    return zstandard.ZstdCompressor(level=1).compress(text.encode("ascii"))


def unpacked(body: bytes) -> Any:
    """Undo `packed`; an empty body is None. Also reads DICOM JSON as `Description.header` keeps it."""
    if not body:
        return None
    return json.loads(zstandard.ZstdDecompressor().decompress(body, max_output_size=RECORD_BYTES))


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
