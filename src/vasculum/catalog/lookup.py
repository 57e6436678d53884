"""Loads records by id or row number, and finds out what a name means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from vasculum.errors import Conflict, Invalid, NotFound
from vasculum.model.query import Level
from vasculum.model.records import Series, Study, Subject

from . import rows, tables
from .indexing import Surroundings
from .values import AFTER, fold

SHORTEST_PREFIX = 6
_TABLE = {Level.SUBJECT: tables.subject, Level.STUDY: tables.study, Level.SERIES: tables.series}
_RECORDS = sa.select(tables.series.c.n, tables.series.c.id, tables.record.c.series).join_from(
    tables.series, tables.record
)


def series(connection: sa.Connection, series_id: str) -> Series:
    """Give a series with its files and sources; raise NotFound if there is none."""
    row = connection.execute(_RECORDS.where(tables.series.c.id == series_id)).first()
    if row is None:
        raise NotFound("there is no series of that id")
    f = tables.file.c
    files = connection.execute(rows.FILES.where(f.series_n == row.n).order_by(f.position))
    sources = _sources(connection, [row.n]).get(row.n, ())
    return replace(rows.series_of(row.series), files=tuple(rows.file_of(file) for file in files), sources=sources)


def load(
    connection: sa.Connection, level: Level, numbers: Sequence[int]
) -> list[Subject] | list[Study] | list[Series]:
    """Load records by row number, in that order."""
    if level is Level.SUBJECT:
        found = rows.select_in(connection, rows.SUBJECTS, tables.subject.c.n, numbers)
        subjects = {row.n: rows.subject_of(row) for row in found}
        return [subjects[n] for n in numbers if n in subjects]
    if level is Level.STUDY:
        found = rows.select_in(connection, rows.STUDIES, tables.study.c.n, numbers)
        studies = {row.n: rows.study_of(row) for row in found}
        return [studies[n] for n in numbers if n in studies]
    found = rows.select_in(connection, _RECORDS, tables.series.c.n, numbers)
    records = {row.n: rows.series_of(row.series) for row in found}
    sources = _sources(connection, numbers)
    records.update((n, replace(records[n], sources=ids)) for n, ids in sources.items() if n in records)
    return [records[n] for n in numbers if n in records]


def children(connection: sa.Connection, level: Level, owner_id: str) -> list[Study] | list[Series]:
    """Give the studies of a subject, or the series of a study, oldest first."""
    if level is Level.SUBJECT:
        statement = rows.STUDIES.where(tables.subject.c.id == owner_id).order_by(tables.study.c.n)
        return [rows.study_of(row) for row in connection.execute(statement)]
    if level is Level.STUDY:
        s = tables.series.c
        statement = sa.select(s.n).join_from(tables.series, tables.study).where(tables.study.c.id == owner_id)
        loaded = load(connection, Level.SERIES, list(connection.scalars(statement.order_by(s.n))))
        return [record for record in loaded if isinstance(record, Series)]
    raise Invalid("a series has no children; its files are its parts")


def _sources(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, tuple[str, ...]]:
    k, s = tables.link.c, tables.series.c
    statement = sa.select(k.series_n, s.id).join_from(tables.link, tables.series, k.source_n == s.n)
    sources: dict[int, tuple[str, ...]] = {}
    for row in rows.select_in(connection, statement.order_by(k.series_n, k.source_n), k.series_n, numbers):
        sources[row.series_n] = (*sources.get(row.series_n, ()), row.id)
    return sources


def surroundings(connection: sa.Connection, series: Sequence[Series]) -> dict[str, Surroundings]:
    """Give the subject, study and project name around each of some series, by the id of the series."""
    p, u, y = tables.project.c, tables.subject.c, tables.study.c
    projects = {row.id: row.name for row in connection.execute(sa.select(p.id, p.name))}
    found = rows.select_in(connection, rows.SUBJECTS, u.id, {record.subject for record in series})
    subjects = {row.id: rows.subject_of(row) for row in found}
    found = rows.select_in(connection, rows.STUDIES, y.id, {record.study for record in series})
    studies = {row.id: rows.study_of(row) for row in found}
    return {
        record.id: Surroundings(
            project=projects[subjects[record.subject].project],
            subject=subjects[record.subject],
            study=studies[record.study],
        )
        for record in series
    }


def resolve(connection: sa.Connection, text: str) -> tuple[Level, str]:
    """Find what an id, the start of one, a UID or a label means; see `Catalog.resolve`."""
    for candidates in (_by_id, _by_uid, _by_prefix, _by_label):
        found = candidates(connection, text)
        if len(found) == 1:
            return found[0]
        if found:
            levels = ", ".join(sorted({level.value for level, _ in found}))
            raise Conflict(f"more than one thing is called so ({levels})", hint="give its id")
    raise NotFound("nothing has that id, UID or label", hint=_advice(connection, text))


def _by_id(connection: sa.Connection, text: str) -> list[tuple[Level, str]]:
    found = []
    for level, table in _TABLE.items():
        found += [
            (level, found_id) for found_id in connection.scalars(sa.select(table.c.id).where(table.c.id == text))
        ]
    return found


def _by_prefix(connection: sa.Connection, text: str) -> list[tuple[Level, str]]:
    if len(text) < SHORTEST_PREFIX:
        return []
    found = []
    for level, table in _TABLE.items():
        where = (table.c.id >= text) & (table.c.id < text + AFTER)
        found += [(level, found_id) for found_id in connection.scalars(sa.select(table.c.id).where(where).limit(2))]
    return found


def _by_uid(connection: sa.Connection, text: str) -> list[tuple[Level, str]]:
    found = []
    for level in (Level.STUDY, Level.SERIES):
        table = _TABLE[level]
        found += [
            (level, found_id) for found_id in connection.scalars(sa.select(table.c.id).where(table.c.uid == text))
        ]
    i = tables.instance.c
    holding = sa.select(tables.series.c.id).join(tables.instance).where(i.uid == text).distinct()
    return found or [(Level.SERIES, found_id) for found_id in connection.scalars(holding)]


def _by_label(connection: sa.Connection, text: str) -> list[tuple[Level, str]]:
    """Look for an exact label: subjects first, then series, then studies."""
    u, s, y = tables.subject.c, tables.series.c, tables.study.c
    for level, statement in (
        (Level.SUBJECT, sa.select(u.id).where(u.folded == fold(text), u.label == text)),
        (Level.SERIES, sa.select(s.id).where(s.folded == fold(text), s.label == text)),
        (Level.STUDY, sa.select(y.id).where(y.label == text)),
    ):
        found = [(level, found_id) for found_id in connection.scalars(statement.limit(2))]
        if found:
            return found
    return []


def _advice(connection: sa.Connection, text: str) -> str:
    """Name the nearest label among those that begin alike; the labels of subjects may be names, so only of series."""
    s = tables.series.c
    start = fold(text)[:2]
    where = (s.folded >= start) & (s.folded < start + AFTER)
    labels = {
        row.folded: row.label for row in connection.execute(sa.select(s.folded, s.label).where(where).limit(5000))
    }
    match = difflib.get_close_matches(fold(text), labels, n=1)
    return f"did you mean {labels[match[0]]}?" if match else ""
