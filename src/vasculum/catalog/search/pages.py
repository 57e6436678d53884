"""Pages, counts and facets of a compiled query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from vasculum.catalog import fields, tables
from vasculum.model.query import Everything, Level, Query

from .conditions import Compiler, Condition

BROAD = 20_000
"""From so many expected series on, subjects and studies are walked from the newest instead of gathered from series."""

_OWNER = {Level.SUBJECT: "subject_n", Level.STUDY: "study_n"}
_TABLE = {Level.SUBJECT: tables.subject, Level.STUDY: tables.study, Level.SERIES: tables.series}


def page(
    connection: sa.Connection, query: Query, level: Level, *, limit: int | None, offset: int, order: Sequence[str]
) -> list[int]:
    """Give the row numbers of a page at a level, newest first unless an order is asked for."""
    compiler = Compiler(connection, level)
    condition = compiler.condition(query)
    x = _TABLE[level].c
    statement = _members(condition, query, level, early_stop=limit is not None and not order)
    number = statement.selected_columns[0]
    if order:
        chosen = statement.subquery()
        statement = sa.select(x.n).where(x.n.in_(sa.select(chosen.c[0])))
        statement = statement.order_by(*(e for name in order for e in _ordering(compiler, name, level)))
        number = x.n
    statement = statement.order_by(number.desc())
    return list(connection.scalars(statement.limit(limit).offset(offset or None)))


def count(connection: sa.Connection, query: Query, level: Level) -> int:
    """Count the subjects, studies or series of a query."""
    compiler = Compiler(connection, level)
    condition = compiler.condition(query)
    if level is Level.SERIES and condition.exact:
        return condition.estimate
    statement = _members(condition, query, level, early_stop=False).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(statement)) or 0


def facets(connection: sa.Connection, query: Query, field: str, level: Level, limit: int) -> list[tuple[str, int]]:
    """Count the values of a field among the results, most frequent first."""
    compiler = Compiler(connection, level)
    key = compiler.key_id(field)
    if key is None:
        return []
    t, p, s = tables.term.c, tables.posting.c, tables.series.c
    if isinstance(query, Everything) and level is Level.SERIES:
        kept = sa.select(t.text, t.n).where(t.key_id == key, t.n > 0).order_by(t.n.desc(), t.text).limit(limit)
        return [(row.text, row.n) for row in connection.execute(kept)]
    condition = compiler.condition(query)
    series = _members(condition, query, Level.SERIES, early_stop=False).subquery()
    # IN, not JOIN: without it SQLite walks the whole field and tests every series.
    pairs = sa.select(p.term_id).where(p.key_id == key, p.series_n.in_(sa.select(series.c.n)))
    if level is not Level.SERIES:
        pairs = pairs.join(tables.series, s.n == p.series_n).add_columns(s[_OWNER[level]].label("owner"))
    x = pairs.subquery("x")
    counted = sa.func.count() if level is Level.SERIES else sa.func.count(sa.distinct(x.c.owner))
    groups = sa.select(x.c.term_id, counted.label("number")).group_by(x.c.term_id).subquery()
    statement = sa.select(t.text, groups.c.number).join_from(groups, tables.term, t.id == groups.c.term_id)
    statement = statement.order_by(groups.c.number.desc(), t.text).limit(limit)
    return [(row.text, row.number) for row in connection.execute(statement)]


def _members(condition: Condition, query: Query, level: Level, *, early_stop: bool) -> sa.Select[Any]:
    """Select the distinct row numbers of a level."""
    s, x = tables.series.c, _TABLE[level].c
    if isinstance(query, Everything):
        return sa.select(x.n)
    if level is Level.SERIES:
        if condition.rows is None:
            return sa.select(s.n).where(condition.test(s.n))
        walked = condition.rows.subquery()
        rows = sa.select(walked.c.n)
        return rows if condition.distinct else rows.distinct()
    owner = s[_OWNER[level]]
    if condition.rows is None or (early_stop and condition.estimate > BROAD):
        held = sa.exists().where(owner == x.n, condition.test(s.n))
        return sa.select(x.n).where(held)
    walked = condition.rows.subquery()
    return sa.select(owner.label("n")).join_from(walked, tables.series, s.n == walked.c.n).distinct()


def _ordering(compiler: Compiler, name: str, level: Level) -> list[sa.ColumnElement[Any]]:
    """Order by a field: numbers before text, what has none last; ``-`` turns it round."""
    descending = name.startswith("-")
    field = name.lstrip("-+")
    keys = [e.desc() if descending else e.asc() for e in _sort_keys(compiler, field, level)]
    return [key.nulls_last() for key in keys]


def _sort_keys(compiler: Compiler, field: str, level: Level) -> list[Any]:
    table = _TABLE[level]
    key = fields.canonical(field)
    own = {
        "label": "folded" if level is not Level.STUDY else "label",
        "subject": "folded" if level is Level.SUBJECT else "",
    }
    column = own.get(key) or {"imported": "n", "studydate": "date", "studyuid": "uid"}.get(key, key)
    if column in table.c and column in ("n", "folded", "label", "date", "uid", "size", "files", "id"):
        return [table.c[column]]
    number = compiler.key_id(field)
    t, p, s = tables.term.c, tables.posting.c, tables.series.c
    base = sa.select(t.id).where(t.id == p.term_id, p.key_id == number)
    if level is Level.SERIES:
        base = base.where(p.series_n == table.c.n)
    else:
        base = base.where(p.series_n == s.n, s[_OWNER[level]] == table.c.n)
    base = base.correlate(table)
    return [
        base.with_only_columns(sa.func.min(t.number)).scalar_subquery(),
        base.with_only_columns(sa.func.min(t.folded)).scalar_subquery(),
    ]
