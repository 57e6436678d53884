"""A search as data: the language (DESIGN 6.3), QIDO and C-FIND all become this tree; the catalogue makes SQL of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """What a search returns."""

    SUBJECT = "subject"
    STUDY = "study"
    SERIES = "series"


class Op(StrEnum):
    """How a field is compared."""

    EQ = "="
    """Equal; text compares without case, and ``*`` and ``?`` are wildcards."""
    EXACT = "=="
    """Equal, case and all, no wildcards."""
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


Scalar = str | int | float


@dataclass(frozen=True, slots=True)
class Everything:
    """Matches all."""


@dataclass(frozen=True, slots=True)
class And:
    """All of the terms."""

    terms: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of the terms."""

    terms: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    term: Query


@dataclass(frozen=True, slots=True)
class Compare:
    """A field against a value."""

    field: str
    op: Op
    value: Scalar
    column: int = 0
    """Where the field stands in the text of the query, from 1; 0 if there is no text."""


@dataclass(frozen=True, slots=True)
class Between:
    """A field within a range; None is an open end. ``study-date:2019..2021``: text ends match by prefix."""

    field: str
    low: Scalar | None
    high: Scalar | None
    column: int = 0


@dataclass(frozen=True, slots=True)
class Has:
    """``has:segmentation("mandible")``: the series holds a part of that kind and name, or has a relative (one it was
    derived from, or one derived from it) that does; a subject or study holds one."""

    kind: str
    name: str = ""
    column: int = 0


@dataclass(frozen=True, slots=True)
class DerivedFrom:
    """Series made, directly or not, from a series of that id, UID or label, or from any series of that subject."""

    target: str
    column: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """Words anywhere in what is known; every word must occur. A trailing ``*`` matches a prefix."""

    words: str
    column: int = 0


Query = Everything | And | Or | Not | Compare | Between | Has | DerivedFrom | Text
