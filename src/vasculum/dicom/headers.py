"""The headers of a series: what its instances share is kept once, what differs is kept per instance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw

from .json import JsonSet, pack_json, unpack_text


@dataclass(frozen=True)
class Gathered:
    """Headers of some instances."""

    common: JsonSet
    """Elements that are equal in all of them."""
    differences: list[JsonSet]
    """The other elements, one set per instance."""

    @cached_property
    def common_packed(self) -> bytes:
        """`common` as zstd-compressed DICOM JSON."""
        return pack_json(self.common)

    @cached_property
    def differences_packed(self) -> bytes:
        """`differences` as a zstd-compressed JSON list."""
        return pack_json(self.differences)


@dataclass
class SeriesHeaders:
    """Takes the headers of a series one by one, and keeps of each only in what it differs from the first.

    Elements are compared as JSON text and read only where somebody asks: most are equal in all files of a series.
    """

    _base: dict[str, Raw] = field(default_factory=dict)
    _own: dict[str, bytes] = field(default_factory=dict)
    """By part name: the elements that differ from the base, as JSON; null where one is missing."""

    def add(self, key: str, packed: bytes) -> Mapping[str, Any]:
        """Take the packed header of a part; give it as DICOM JSON."""
        texts = _texts(unpack_text(packed)) if packed else {}
        if not self._own:
            self._base = {tag: text.copy() for tag, text in texts.items()}
        base = self._base
        own: dict[str, Raw] = {tag: text for tag, text in texts.items() if base.get(tag) != text}
        own.update((tag, _MISSING) for tag in base if tag not in texts)
        self._own[key] = msgspec.json.encode(own)
        return _Elements(texts)

    def gather(self, keys: Sequence[str]) -> Gathered:
        """Give what the parts have in common, and how each differs."""
        own = [_texts(self._own[key]) for key in keys]
        base = self._base
        tags = {tag for one in own for tag in one}
        common = {tag: text for tag, text in base.items() if tag not in tags}
        varying: list[str] = []
        for tag in sorted(tags):
            usual = base.get(tag, _MISSING)
            first = own[0].get(tag, usual)
            if any(one.get(tag, usual) != first for one in own[1:]):
                varying.append(tag)
            elif first != _MISSING:
                common[tag] = first
        differences = [
            {tag: _read(text) for tag in varying if (text := one.get(tag, base.get(tag, _MISSING))) != _MISSING}
            for one in own
        ]
        return Gathered({tag: _read(common[tag]) for tag in sorted(common)}, differences)


class _Elements(Mapping[str, Any]):
    """DICOM JSON whose elements are read when they are asked for."""

    def __init__(self, texts: dict[str, Raw]) -> None:
        self._texts = texts

    def __getitem__(self, tag: str) -> Any:
        return _read(self._texts[tag])

    def __contains__(self, tag: object) -> bool:
        return tag in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


_MISSING = Raw(b"null")
_texts = msgspec.json.Decoder(dict[str, Raw]).decode
_read = msgspec.json.Decoder().decode
