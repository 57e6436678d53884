"""Values of fields for tables: exact strings, in the order asked for."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from vasculum.errors import NotFound
from vasculum.model.description import Value
from vasculum.model.query import Level

from . import fields as names
from . import lookup, rows, tables
from .indexing import values_of

Cells = dict[str, list[Value]]


def columns(connection: sa.Connection, level: Level, ids: Sequence[str], fields: Sequence[str]) -> list[Cells]:
    """Give the values of fields for every id; a subject or study has those of all its series."""
    if level is Level.SERIES:
        return _of_series(connection, ids, fields)
    return [_of_owner(connection, level, owner_id, fields) for owner_id in ids]


def _of_series(connection: sa.Connection, ids: Sequence[str], fields: Sequence[str]) -> list[Cells]:
    t = tables
    statement = sa.select(t.record, t.series.c.id, t.series.c.files, t.series.c.size).join_from(t.series, t.record)
    cells: dict[str, Cells] = {}
    for batch in rows.batches(ids):
        found = connection.execute(statement.where(t.series.c.id.in_(batch))).all()
        records = {row.n: (rows.series_of(row.series), rows.description_of(row)) for row in found}
        above = lookup.surroundings(connection, [record for record, _ in records.values()])
        for row in found:
            series, description = records[row.n]
            values = values_of(series, description, above[series.id], files=row.files, size=row.size)
            cells[series.id] = {field: list(values.get(names.canonical(field), ())) for field in fields}
    missing = set(ids) - cells.keys()
    if missing:
        raise NotFound("there is no series of that id")
    return [cells[series_id] for series_id in ids]


def _of_owner(connection: sa.Connection, level: Level, owner_id: str, fields: Sequence[str]) -> Cells:
    t, p, s = tables.term.c, tables.posting.c, tables.series.c
    table, owner = (tables.subject, s.subject_n) if level is Level.SUBJECT else (tables.study, s.study_n)
    number = connection.scalar(sa.select(table.c.n).where(table.c.id == owner_id))
    if number is None:
        raise NotFound(f"there is no {level.value} of that id")
    cells: Cells = {}
    for field in fields:
        held = sa.select(p.term_id).join_from(tables.series, tables.posting, p.series_n == s.n)
        held = held.where(owner == number, p.key_id == tables.key.c.id)
        statement = sa.select(t.text).join_from(tables.key, tables.term, t.key_id == tables.key.c.id)
        statement = statement.where(
            tables.key.c.folded == names.canonical(field), t.id.in_(held.correlate(tables.key))
        )
        cells[field] = list(connection.scalars(statement.order_by(t.number, t.folded)))
    return cells
