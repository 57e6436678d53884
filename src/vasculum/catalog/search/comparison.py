"""What a comparison asks of values: text without case, numbers as numbers, dates by prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from vasculum.catalog import fields, tables
from vasculum.catalog.values import AFTER, TERM_LENGTH, as_number, as_text, fold, iso_date, storable
from vasculum.model.query import Between, Compare, Op, Scalar


@dataclass(frozen=True, slots=True)
class Wanted:
    """Conditions on values (table `term`) and, for numbers, on `span`."""

    terms: sa.ColumnElement[bool]
    spans: sa.ColumnElement[bool] | None = None


def compared(query: Compare) -> Wanted:
    """Say which values a comparison wants."""
    date = fields.is_date(fields.canonical(query.field))
    text = _text(query.value, date)
    number = None if date else as_number(query.value)
    t, s = tables.term.c, tables.span.c
    if query.op is Op.EXACT:
        return Wanted(t.text == text[:TERM_LENGTH])
    if query.op is Op.EQ:
        if number is None:
            return Wanted(_like(t.folded, text, prefix=date))
        return Wanted((t.folded == fold(text)) | (t.number == number), (s.low <= number) & (s.high >= number))
    if number is not None:
        return Wanted(_ordered(t.number, query.op, number), _ordered(_end(query.op), query.op, number))
    end = fold(text)
    if query.op in (Op.GT, Op.LE) and date:
        end += AFTER  # 2019 is the whole year
    return Wanted(_ordered(t.folded, query.op, end))


def between(query: Between) -> Wanted:
    """Say which values lie in a range: numbers where both ends are numbers, else text by prefix."""
    date = fields.is_date(fields.canonical(query.field))
    ends = [end for end in (query.low, query.high) if end is not None]
    t, s = tables.term.c, tables.span.c
    if not date and all(as_number(end) is not None for end in ends):
        terms: list[sa.ColumnElement[bool]] = [t.number.is_not(None)]
        spans: list[sa.ColumnElement[bool]] = [sa.true()]
        if query.low is not None:
            terms.append(t.number >= as_number(query.low))
            spans.append(s.high >= as_number(query.low))
        if query.high is not None:
            terms.append(t.number <= as_number(query.high))
            spans.append(s.low <= as_number(query.high))
        return Wanted(sa.and_(*terms), sa.and_(*spans))
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if query.low is not None:
        conditions.append(t.folded >= fold(_text(query.low, date)))
    if query.high is not None:
        conditions.append(t.folded < fold(_text(query.high, date)) + AFTER)
    return Wanted(sa.and_(*conditions))


def in_columns(query: Compare) -> sa.Select[Any] | None:
    """Select ``n`` of the series of a comparison with what is a column and no posted value: ids, UIDs, bytes; else None.

    The tables have names of their own, so that the condition can be put inside any other statement.
    """
    series, study, subject, instance = (
        table.alias() for table in (tables.series, tables.study, tables.subject, tables.instance)
    )
    s, i = series.c, instance.c
    key = fields.canonical(query.field)
    selected = sa.select(s.n)
    if key == "size":
        number = as_number(query.value)
        return selected.where(sa.false() if number is None else _ordered(s.size, query.op, number))
    if key == "uid":
        return selected.where(_column(s.uid, query))
    if key == "studyuid":
        return selected.where(s.study_n.in_(sa.select(study.c.n).where(_column(study.c.uid, query))))
    if key == "instanceuid":
        return selected.where(s.n.in_(sa.select(i.series_n).where(_column(i.uid, query))))
    if key == "id":
        studies = sa.select(study.c.n).where(_column(study.c.id, query))
        subjects = sa.select(subject.c.n).where(_column(subject.c.id, query))
        return selected.where(_column(s.id, query) | s.study_n.in_(studies) | s.subject_n.in_(subjects))
    return None


def _text(value: Scalar, date: bool) -> str:
    text = as_text(value)
    return iso_date(text) if date else text


def _end(op: Op) -> Any:
    """Give the end of a span that has to fulfil a comparison for any of its numbers to do so."""
    return tables.span.c.low if op in (Op.LT, Op.LE) else tables.span.c.high


def _ordered(column: Any, op: Op, value: Any) -> sa.ColumnElement[bool]:
    match op:
        case Op.LT:
            result = column < value
        case Op.LE:
            result = column <= value
        case Op.GT:
            result = column > value
        case Op.GE:
            result = column >= value
        case _:
            result = column == value
    condition: sa.ColumnElement[bool] = result
    return condition


def _column(column: Any, query: Compare) -> sa.ColumnElement[bool]:
    text = as_text(query.value)
    if query.op is Op.EQ and ("*" in text or "?" in text):
        return _like(column, text)
    return _ordered(column, query.op, text)


def _like(column: Any, text: str, *, prefix: bool = False) -> sa.ColumnElement[bool]:
    """Compare folded text, with wildcards; the literal start bounds the walk of the index."""
    folded = fold(text)
    cut = min((folded.find(c) for c in "*?" if c in folded), default=len(folded))
    if cut == len(folded) and not prefix:
        equal: sa.ColumnElement[bool] = column == folded
        return equal
    start = folded[:cut]
    conditions: list[sa.ColumnElement[bool]] = []
    if start:
        conditions += [column >= start, column < start + AFTER]
    if cut < len(folded):
        pattern = "".join(_WILD.get(c, c) for c in storable(folded)) + ("%" if prefix else "")
        conditions.append(column.like(sa.literal(pattern, sa.Text), escape="\\"))
    return sa.and_(sa.true(), *conditions)


_WILD = {"*": "%", "?": "_", "%": "\\%", "_": "\\_", "\\": "\\\\"}
