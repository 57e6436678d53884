"""The headers of a series: what its instances share is kept once, what differs is kept per instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .json import JsonSet, pack_json, unpack_json


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
    """Takes the headers of a series one by one, and keeps of each only in what it differs from the first."""

    _base: JsonSet = field(default_factory=dict)
    _own: dict[str, bytes] = field(default_factory=dict)
    """By part name: the elements that differ from the base, as JSON; null where one is missing."""

    def add(self, key: str, packed: bytes) -> JsonSet:
        """Take the packed header of a part; give it unpacked."""
        import orjson

        json: JsonSet = unpack_json(packed) if packed else {}
        if not self._own:
            self._base = json
        base = self._base
        own: dict[str, Any] = {tag: element for tag, element in json.items() if base.get(tag) != element}
        own.update((tag, None) for tag in base if tag not in json)
        self._own[key] = orjson.dumps(own)
        return json

    def gather(self, keys: Sequence[str]) -> Gathered:
        """Give what the parts have in common, and how each differs."""
        import orjson

        own: list[dict[str, Any]] = [orjson.loads(self._own[key]) for key in keys]
        tags = {tag for one in own for tag in one}
        varying: set[str] = set()
        shared: dict[str, Any] = {}
        for tag in tags:
            first = own[0].get(tag, self._base.get(tag))
            if all(one.get(tag, self._base.get(tag)) == first for one in own[1:]):
                shared[tag] = first
            else:
                varying.add(tag)
        common = {tag: element for tag, element in self._base.items() if tag not in tags}
        common.update({tag: element for tag, element in shared.items() if element is not None})
        order = sorted(varying)
        differences = [
            {tag: element for tag in order if (element := one.get(tag, self._base.get(tag))) is not None}
            for one in own
        ]
        return Gathered({tag: common[tag] for tag in sorted(common)}, differences)
