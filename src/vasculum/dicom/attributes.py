"""The header as flat names and values, for search: ``SliceThickness``, ``Outer.Inner``, ``Creator:ee``."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from functools import cache
from typing import Any

from vasculum.model.description import Value

from .json import JsonSet
from .tables import standard_entry

SHORT_BINARY_BYTES = 64
"""Longer binary values are no attributes."""
DISTINCT_VALUES = 64
"""An attribute that differs between items or instances keeps this many different values."""

Flat = dict[str, tuple[Value, ...]]


def flatten(sets: Iterable[JsonSet]) -> Flat:
    """Flatten data sets into attributes.

    Parameters
    ----------
    sets
        DICOM JSON; of a series: what its instances share, and then what they do not.

    Returns
    -------
    dict
        Where a name occurs more than once (items of a sequence, instances of a series), its values are those of the
        first occurrence, followed by the different ones of the others, up to `DISTINCT_VALUES` occurrences.
    """
    found: Flat = {}
    more: dict[str, dict[tuple[Value, ...], None]] = {}
    for json in sets:
        _gather(json, "", found, more)
    for name, others in more.items():
        found[name] = tuple(v for values in others for v in values)
    return found


def _gather(json: JsonSet, prefix: str, found: Flat, more: dict[str, dict[tuple[Value, ...], None]]) -> None:
    creators: dict[str, str] = {}
    for tag, element in json.items():
        name = keyword(tag) or _private_name(tag, element, creators)
        if prefix:
            name = prefix + name
        if element["vr"] == "SQ":
            for item in element.get("Value", ()):
                _gather(item, name + ".", found, more)
            continue
        values = _values(element)
        if values is None:
            continue
        first = found.get(name)
        if first is None:
            found[name] = values
        elif first != values:
            seen = more.setdefault(name, {first: None})
            if len(seen) < DISTINCT_VALUES:
                seen[values] = None


def _values(element: dict[str, Any]) -> tuple[Value, ...] | None:
    """The values of an element; None for bulk."""
    values = element.get("Value")
    if values is not None and element["vr"] != "PN" and None not in values:
        return tuple(values)
    if values is None:
        inline = element.get("InlineBinary")
        if inline is not None:
            raw = b64decode(inline)
            return (raw.hex(),) if len(raw) <= SHORT_BINARY_BYTES else None
        return None if "BulkDataURI" in element else ()
    if element["vr"] == "PN":
        return tuple("=".join(v.values()) if v else "" for v in values)
    return tuple("" if v is None else v for v in values)


def _private_name(tag: str, element: dict[str, Any], creators: dict[str, str]) -> str:
    """Name a private element by its creator, or else an unknown one by its tag; remember creators (PS3.5 section 7.8)."""
    if tag[3] in "13579BDF":
        if tag[4:6] == "00":
            creators[tag[:4] + tag[6:]] = str((element.get("Value") or [""])[0])
        creator = creators.get(tag[:6])
        if creator:
            return f"{creator}:{tag[6:].lower()}"
    return tag.lower()


@cache
def keyword(tag: str) -> str:
    """Give the keyword of a standard tag (``00100010``); empty for private and unknown ones."""
    number = int(tag, 16)
    if number >> 16 & 1:
        return ""
    name = standard_entry(number)[1]
    group = number >> 16
    if name and group & 0xFF and group >> 8 in (0x50, 0x60):
        return f"{name}_{group:04x}"
    return name
