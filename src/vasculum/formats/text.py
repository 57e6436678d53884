"""Text of unknown encoding, and header fields flattened to attributes."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vasculum.errors import Unreadable
from vasculum.model.description import Attributes, Value

TEXT_BYTES = 64 * 1024 * 1024
"""The most text that is read of one file."""

VALUES_PER_FIELD = 1000
"""Longer lists are left in the file and not copied into attributes."""

_NESTING = 12
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(b for b in range(32) if b not in b"\t\n\v\f\r\x1b\x1a\b")


def looks_like_text(start: bytes) -> bool:
    """Say whether the first bytes of a file are text: no control characters, or a Unicode byte order mark."""
    if any(start.startswith(mark) for mark, _ in _MARKS):
        return True
    return bool(start) and start.translate(None, _CONTROLS) == start


def read_bytes(path: Path, limit: int = TEXT_BYTES) -> bytes:
    """Read a whole file that must not be larger than the limit.

    Raises
    ------
    Unreadable
        The file is larger.
    """
    if path.stat().st_size > limit:
        raise Unreadable(f"the file is larger than {limit // 2**20} MiB, too large for its format")
    return path.read_bytes()


def decode(raw: bytes) -> tuple[str, str]:
    """Decode text: by its byte order mark, else UTF-8, else Windows-1252, else Latin-1 (which takes any byte).

    Returns
    -------
    text, encoding
        Line ends are kept as they are.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace"), encoding.removesuffix("-sig")
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), "latin-1"


def read_text(path: Path, limit: int = TEXT_BYTES) -> tuple[str, str]:
    """Read and decode a whole text file; gives text and encoding."""
    return decode(read_bytes(path, limit))


def parse_json(raw: bytes) -> Any:
    """Parse JSON of any Unicode encoding; numbers come as exact doubles or integers.

    Raises
    ------
    Unreadable
        It is not JSON, or is nested too deeply.
    """
    text, _ = decode(raw)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("the file is not valid JSON") from None


def flatten(prefix: str, value: Any) -> Attributes:
    """Turn nested mappings and lists into attributes: ``{"a": {"b": [1, 2]}}`` becomes ``prefix.a.b = (1, 2)``.

    A list of mappings gives one attribute a key, with the values of all in order. Booleans become ``true`` and
    ``false``; null and empty text are left out. Lists longer than `VALUES_PER_FIELD` are left in the file.
    """
    collected: dict[str, list[Value]] = {}
    for name, leaf in _leaves(prefix, value, 0):
        collected.setdefault(name, []).append(leaf)
    return {name: tuple(leaves) for name, leaves in collected.items() if len(leaves) <= VALUES_PER_FIELD}


def _leaves(name: str, value: Any, depth: int) -> Iterator[tuple[str, Value]]:
    if depth > _NESTING or value is None or value == "":
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(name, inner, depth + 1)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif isinstance(value, (int, float, str)):
        yield name, value
    else:
        yield name, str(value)
