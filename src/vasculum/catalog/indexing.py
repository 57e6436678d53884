"""What a series is found by: its terms (field and value), the spans of its numbers, and its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from vasculum.model.description import Description, Value
from vasculum.model.records import Series, Study, Subject

from . import fields
from .values import as_number, as_text, flattened, iso_date

DISTINCT_VALUES = 64
"""How many values of one field a series is posted under; of further numbers the least and the greatest are kept."""

WORDS_LENGTH = 200_000
"""Characters of text that are indexed by word for one series."""

PARTS_AS_WORDS = 8

_IN_COLUMNS = frozenset(fields.canonical(name) for name in ("id", "uid", "study-uid", "instance-uid", "size"))
_NOT_WORDS = re.compile(r"[-+0-9eE]*\.[-+.0-9eE]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The rows above a series, by whose fields it is found too."""

    project: str
    subject: Subject
    study: Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that a series is found by."""

    terms: tuple[tuple[str, str], ...]
    """Name of the field and text of the value; dates as ISO 8601."""
    spans: tuple[tuple[str, float, float], ...]
    """Name, least and greatest number of fields with more than `DISTINCT_VALUES` values."""
    words: str


def values_of(
    series: Series, description: Description, above: Surroundings, *, files: int, size: int = 0
) -> dict[str, tuple[Value, ...]]:
    """Give every value that is known of a series, by canonical field; dates as ISO 8601, each value once."""
    values: dict[str, dict[Value, None]] = {
        "id": {series.id: None},
        "uid": {series.uid: None},
        "studyuid": {above.study.uid: None},
        "size": {size: None},
    }
    for name, value in _everything(series, description, above, files):
        key, date = _place(name)
        plain: Value = (
            value if isinstance(value, str | int | float) and not isinstance(value, bool) else as_text(value)
        )
        if date:
            plain = iso_date(as_text(plain))
        if plain != "" and (key not in _IN_COLUMNS or key == "instanceuid"):
            values.setdefault(key, {})[plain] = None
    return {key: tuple(held) for key, held in values.items()}


def entry(series: Series, description: Description, above: Surroundings, *, files: int) -> Entry:
    """Gather what a series is found by."""
    values: dict[str, dict[str, None]] = {}
    names: dict[str, str] = {}
    for name, value in _everything(series, description, above, files):
        key, date = _place(name)
        text = value if type(value) is str else as_text(value)
        if text and key not in _IN_COLUMNS:
            if date:
                text = iso_date(text)
            held = values.get(key)
            if held is None:
                values[key] = {text: None}
                names[key] = name
            else:
                held[text] = None
    terms: list[tuple[str, str]] = []
    spans: list[tuple[str, float, float]] = []
    for key, texts in values.items():
        name = names[key]
        if len(texts) <= DISTINCT_VALUES:
            terms += [(name, text) for text in texts]
            continue
        terms += [(name, text) for text in islice(texts, DISTINCT_VALUES)]
        numbers = [n for n in map(as_number, texts) if n is not None]
        if numbers:
            spans.append((name, min(numbers), max(numbers)))
    return Entry(terms=tuple(terms), spans=tuple(spans), words=_words(values, description))


@lru_cache(maxsize=20_000)
def _place(name: str) -> tuple[str, bool]:
    """Give the canonical key of a field, and whether it holds dates."""
    key = fields.canonical(name)
    return key, fields.is_date(key)


def _everything(
    series: Series, description: Description, above: Surroundings, files: int
) -> Iterator[tuple[str, object]]:
    yield from _built_in(series, above, files)
    yield from _parts(series)
    yield from flattened(above.subject.metadata)
    yield from flattened(above.study.metadata)
    yield from flattened(series.metadata)
    for name, values in description.attributes.items():
        for value in values:
            yield name, value


def _built_in(series: Series, above: Surroundings, files: int) -> Iterator[tuple[str, object]]:
    yield "project", above.project
    yield "subject", above.subject.label
    yield "subject-kind", above.subject.kind.value
    yield "issuer", above.subject.issuer
    yield "study", above.study.label
    yield "study-date", above.study.date
    yield "label", series.label
    yield "kind", series.kind.value
    yield "format", series.format
    yield "modality", series.modality
    if series.imported is not None:
        yield "imported", series.imported.date().isoformat()
    if files:
        yield "files", files
    if series.geometry is not None:
        yield "voxel", max(series.geometry.spacing)
        yield from zip(("slices", "rows", "columns"), series.geometry.shape, strict=True)


def _parts(series: Series) -> Iterator[tuple[str, object]]:
    for finding in series.findings:
        yield "finding", finding.code
    if series.segments:
        yield "segments", len(series.segments)
    for segment in series.segments:
        yield "segment", segment.name
        if segment.type is not None:
            yield "segment-type", segment.type.meaning
    if series.landmarks:
        yield "landmarks", sum(1 for landmark in series.landmarks if landmark.defined)
    for landmark in series.landmarks:
        yield "landmark", landmark.label


def _words(values: Mapping[str, Iterable[str]], description: Description) -> str:
    texts = dict.fromkeys(text for group in values.values() for text in group if not _NOT_WORDS.fullmatch(text))
    texts[description.title] = None
    if len(description.parts) <= PARTS_AS_WORDS:
        texts.update((part.name, None) for part in description.parts)
    return "\n".join(texts)[:WORDS_LENGTH]
