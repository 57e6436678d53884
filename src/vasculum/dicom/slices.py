"""Headers of the slices of a classic series, sorted into what they share and what each has of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .elements import drop_invalid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

JsonHeader = Mapping[str, Mapping[str, Any]]
"""DICOM JSON of one data set (PS3.18 annex F.2)."""


@dataclass(slots=True)
class SliceHeaders:
    """The headers of a series, one per slice.

    Elements are taken out by name (`shared`, `each`); what nobody took is left for the unassigned attributes.
    """

    headers: Sequence[JsonHeader]
    notes: dict[str, None] = field(default_factory=dict)
    """What could not be kept as an element, in words."""
    unplaced: dict[str, list[Any]] = field(default_factory=dict)
    """Those elements by tag: DICOM JSON, once, or once per slice where slices differ."""
    _equal: dict[str, bool] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        first = self.headers[0]
        tags = dict.fromkeys(tag for header in self.headers for tag in header)
        self._equal = {tag: tag in first and all(h.get(tag) == first[tag] for h in self.headers) for tag in tags}

    def take(self, keyword: str) -> None:
        """Mark an element as placed."""
        self._taken.add(_tag(keyword))

    def set_aside(self, keyword: str, reason: str) -> None:
        """Mark an element as having no place in the new object."""
        tag = _tag(keyword)
        if tag in self._equal:
            self._taken.add(tag)
            self._unplace(tag, f"{keyword} {reason}")

    def keep(self, keyword: str) -> None:
        """Put an element among the unplaced, whatever else becomes of it."""
        if _tag(keyword) in self._equal:
            self._unplace(_tag(keyword), "")

    def values(self, index: int, keyword: str) -> list[Any]:
        """Give the values of an element of one slice; empty where it is absent or empty."""
        found = self.headers[index].get(_tag(keyword), {}).get("Value")
        return [v for v in found if v is not None] if isinstance(found, list) else []

    def text(self, index: int, keyword: str) -> str:
        """Give the first value of one slice as text."""
        values = self.values(index, keyword)
        return str(values[0]) if values else ""

    def number(self, index: int, keyword: str, default: float) -> float:
        """Give the first value of one slice as a number."""
        try:
            return float(self.text(index, keyword))
        except ValueError:
            return default

    def equal(self, keyword: str) -> bool:
        """True where all slices have the element, with the same value."""
        return self._equal.get(_tag(keyword), False)

    def copy_shared(self, ds: Dataset, keyword: str) -> None:
        """Put an element that all slices share into a data set; leave it for the unassigned ones otherwise."""
        if self.equal(keyword) and self.values(0, keyword):
            self.take(keyword)
            self._put(ds, self.headers[0], [_tag(keyword)])

    def element_of(self, index: int, keyword: str) -> Any:
        """Give the value of an element of one slice as pydicom has it; None where there is none that is valid."""
        from pydicom.dataset import Dataset

        ds = Dataset()
        self._put(ds, self.headers[index], [_tag(keyword)])
        return ds.get(keyword) if len(ds) else None

    def unassigned_shared(self) -> Dataset:
        """Give what is left and equal in all slices, private elements with their creators."""
        return self._left(0, shared=True)

    def unassigned_of(self, index: int) -> Dataset:
        """Give what is left and differs between slices, of one slice."""
        return self._left(index, shared=False)

    def as_json(self) -> dict[str, list[Any]]:
        """Give every element that is held in the header, as `unplaced` does."""
        for tag in self._equal:
            if _keeps(tag) and not any("BulkDataURI" in header.get(tag, {}) for header in self.headers):
                self._unplace(tag, "")
        return self.unplaced

    def _left(self, index: int, *, shared: bool) -> Dataset:
        from pydicom.dataset import Dataset

        header = self.headers[index]
        tags = [
            tag for tag in header
            if tag not in self._taken and self._equal[tag] is shared and not _is_creator(tag) and _keeps(tag)
        ]  # fmt: skip
        creators = {_creator_of(tag) for tag in tags if _is_private(tag)}
        ds = Dataset()
        self._put(ds, header, [*sorted(c for c in creators if c in header), *self._with_creator(tags, header)])
        return ds

    def _with_creator(self, tags: Sequence[str], header: JsonHeader) -> list[str]:
        orphans = [tag for tag in tags if _is_private(tag) and _creator_of(tag) not in header]
        for tag in orphans:
            self._unplace(tag, "private elements without a creator have no place")
        return [tag for tag in tags if tag not in orphans]

    def _put(self, ds: Dataset, header: JsonHeader, tags: Sequence[str]) -> None:
        for tag in tags:
            element = header[tag]
            if "BulkDataURI" in element:
                self.notes[f"{tag} is too large to be kept in the header"] = None
                continue
            self._put_element(ds, tag, element)
        before = {f"{int(element.tag):08X}" for element in ds}
        for keyword in drop_invalid(ds):
            self.notes[f"{keyword} is not valid"] = None
        for tag in sorted(before - {f"{int(element.tag):08X}" for element in ds}):
            self._unplace(tag, "")

    def _put_element(self, ds: Dataset, tag: str, element: Mapping[str, Any]) -> None:
        import warnings

        from pydicom.dataset import Dataset

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # values that break their representation are dropped below
                ds.update(Dataset.from_json({tag: dict(element)}))
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError):
            self._unplace(tag, f"{tag} cannot be read")

    def _unplace(self, tag: str, note: str) -> None:
        if note:
            self.notes[note] = None
        given = [dict(header[tag]) if tag in header else None for header in self.headers]
        self.unplaced[tag] = given[:1] if self._equal[tag] else given


def _tag(keyword: str) -> str:
    from pydicom.datadict import tag_for_keyword

    return f"{tag_for_keyword(keyword):08X}"


def _is_private(tag: str) -> bool:
    return int(tag[3], 16) % 2 == 1


def _is_creator(tag: str) -> bool:
    return _is_private(tag) and tag.startswith("00", 4)


def _creator_of(tag: str) -> str:
    return f"{tag[:4]}00{tag[4:6]}"


def _keeps(tag: str) -> bool:
    """False for file meta, group lengths, overlays, curves and pixels."""
    group = int(tag[:4], 16)
    return not (
        tag.endswith("0000") or group <= 0x0002 or 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF
    ) and (group not in (0x7FE0, 0xFFFC))
