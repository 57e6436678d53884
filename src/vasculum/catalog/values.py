"""How values are kept, folded and compared; shared by indexing and by search, so that the two agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

TERM_LENGTH = 4096
"""Longer values are compared by their first characters; the whole value stays in the record."""

AFTER = "\U0010ffff"
"""Sorts after every character that text holds: ``prefix + AFTER`` ends the range of a prefix."""

_UNSTORABLE = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPE = re.compile("\x1a([0-9a-f]{4})")
_PLAIN = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{6}(?:\.\d+)?)?([+-]\d{4})?", re.ASCII)
_LARGEST_EXACT = 2**53


def storable(text: str) -> str:
    """Escape what a database cannot keep: lone surrogates (names that are not UTF-8) and NUL. `restored` undoes it."""
    if _UNSTORABLE.search(text) is None:
        return text
    return _UNSTORABLE.sub(lambda m: f"\x1a{ord(m.group()):04x}", text)


def restored(text: str) -> str:
    """Undo `storable`."""
    if "\x1a" not in text:
        return text
    return _ESCAPE.sub(lambda m: chr(int(m.group(1), 16)), text)


def fold(text: str) -> str:
    """Give the form in which text is compared without case."""
    return text[:TERM_LENGTH].casefold()


def as_text(value: object) -> str:
    """Give the text of a value: strings as they are, numbers without a needless ``.0``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_EXACT:
        return str(int(value))
    return str(value)


def as_number(value: object) -> float | None:
    """Give the number that a value is, or None.

    Text counts as a number where it is written as one (DICOM DS and IS are). ``007`` is an identifier, and so are whole
    numbers that a double cannot hold.
    """
    if isinstance(value, int | float):
        number = float(value) if abs(value) < 1e308 else None
    elif isinstance(value, str) and len(value) <= 32 and _PLAIN.fullmatch(value.strip()):
        number = float(value)
    else:
        return None
    if number is None or number != number or (abs(number) >= _LARGEST_EXACT and number.is_integer()):
        return None
    return number


def iso_date(text: str) -> str:
    """Turn a DICOM DA or DT, whole or in part (``201903``), into ``2019-03``; anything else comes back as it is."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return text
    year, month, day, time, _ = match.groups()
    date = "-".join(part for part in (year, month, day) if part)
    return f"{date}T{time[:2]}:{time[2:4]}:{time[4:]}" if time else date


def flattened(metadata: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield every leaf of nested metadata under its dotted name; lists give one value each."""
    for name, value in metadata.items():
        yield from _leaves(f"{prefix}{name}", value)


def _leaves(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from flattened(value, f"{name}.")
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(name, item)
    elif value is not None and value != "":
        yield name, value
