"""One writing transaction: records are gathered, then written in groups; all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from vasculum.errors import NotFound
from vasculum.model.description import Description
from vasculum.model.query import Level
from vasculum.model.records import Activity, AuditEvent, Blob, Instance, Project, Series, StoredFile, Study, Subject

from . import audit, dialect, lookup, rows, tables
from .indexing import entry
from .postings import Index

SERIES_HELD = 2000
"""Series that are gathered before they are written; more take memory, fewer take time."""


class Writer:
    """Writes to a catalogue within one transaction; given by `Catalog.transaction`.

    Every ``put_`` inserts, or replaces the record of that id. Records may be put in any order; a reference to a record
    that is neither here nor in the catalogue raises NotFound when the transaction ends, and nothing is written.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._index = Index(connection)
        self._next: dict[str, int] = {}
        self._known: dict[str, dict[str, int]] = {"project": {}, "subject": {}, "study": {}, "series": {}}
        self._projects: dict[str, Project] = {}
        self._subjects: dict[str, Subject] = {}
        self._studies: dict[str, Study] = {}
        self._series: dict[str, tuple[Series, Description]] = {}
        self._blobs: dict[str, Blob] = {}
        self._files: dict[str, dict[str, StoredFile]] = {}
        self._instances: dict[str, Instance] = {}
        self._sources: dict[str, tuple[str, int, int, str]] = {}
        self._links: dict[tuple[str, str], str] = {}
        self._activities: dict[str, Activity] = {}

    def put_project(self, project: Project) -> None:
        """Insert or replace a project."""
        self._projects[project.id] = project

    def put_subject(self, subject: Subject) -> None:
        """Insert or replace a subject; its series are found by its new fields."""
        self._subjects[subject.id] = subject

    def put_study(self, study: Study) -> None:
        """Insert or replace a study."""
        self._studies[study.id] = study

    def put_series(self, series: Series, description: Description) -> None:
        """Insert or replace a series with all that is known of it; `files` and `sources` are added where given."""
        self._series[series.id] = (series, description)
        if series.files:
            self.put_files(series.id, series.files)
        for source in series.sources:
            self.link(series.id, source, series.activity)
        if len(self._series) >= SERIES_HELD:
            self.flush()

    def put_blobs(self, blobs: Iterable[Blob]) -> None:
        """Insert blobs. One that was elsewhere and is now in the store stays in the store."""
        for blob in blobs:
            if self._blobs.get(blob.sha256, blob).location:
                self._blobs[blob.sha256] = blob
            else:
                self._blobs.setdefault(blob.sha256, blob)

    def put_files(self, series_id: str, files: Iterable[StoredFile]) -> None:
        """Insert files of a series with their blobs, or replace those of the same names."""
        held = self._files.setdefault(series_id, {})
        for file in files:
            held[file.name] = file
            self.put_blobs([file.blob])

    def put_instances(self, instances: Iterable[Instance]) -> None:
        """Insert or replace instances."""
        self._instances.update((instance.id, instance) for instance in instances)

    def put_sources(self, sources: Iterable[tuple[str, int, int, str]]) -> None:
        """Remember files that were imported: ``(path, size, mtime_ns, sha256)``."""
        self._sources.update((source[0], source) for source in sources)

    def put_activity(self, activity: Activity) -> None:
        """Insert or replace an activity."""
        self._activities[activity.id] = activity

    def link(self, series_id: str, source_series_id: str, activity_id: str = "") -> None:
        """Say that a series was derived from another."""
        self._links[series_id, source_series_id] = activity_id

    def set_metadata(self, level: Level, record_id: str, metadata: Mapping[str, Any]) -> None:
        """Set metadata fields of a subject, study or series; None takes a field away, others stay as they are.

        Raises
        ------
        NotFound
            There is no such record.
        """
        self.flush()
        if level is Level.SERIES:
            n = self._numbers("series", [record_id])[record_id]
            series, description = self._load_records([n])[n]
            self.put_series(replace(series, metadata=_merged(series.metadata, metadata)), description)
        elif level is Level.SUBJECT:
            row = self._connection.execute(rows.SUBJECTS.where(tables.subject.c.id == record_id)).first()
            subject = rows.subject_of(_found(row, level))
            self.put_subject(replace(subject, metadata=_merged(subject.metadata, metadata)))
        else:
            row = self._connection.execute(rows.STUDIES.where(tables.study.c.id == record_id)).first()
            study = rows.study_of(_found(row, level))
            self.put_study(replace(study, metadata=_merged(study.metadata, metadata)))

    def audit(
        self, action: str, event: str, agent: str, objects: Sequence[str], time: datetime, outcome: int = 0
    ) -> AuditEvent:
        """Append to the audit chain (terms of PS3.15 A.5); `objects` are ids, never names."""
        return audit.append(
            self._connection, action=action, event=event, agent=agent, objects=objects, time=time, outcome=outcome
        )

    def delete_series(self, series_id: str) -> None:
        """Take a series out of the catalogue; its blobs stay until nothing names them and they are collected."""
        self.flush()
        n = self._numbers("series", [series_id])[series_id]
        t = tables
        posted = self._connection.scalar(sa.select(t.record.c.posted).where(t.record.c.n == n)) or b""
        self._index.forget({n: posted})
        for where in (
            t.link.c.series_n,
            t.link.c.source_n,
            t.instance.c.series_n,
            t.file.c.series_n,
            t.record.c.n,
            t.series.c.n,
        ):
            self._connection.execute(sa.delete(where.table).where(where == n))
        del self._known["series"][series_id]

    def flush(self) -> None:
        """Write all that was gathered; still within the transaction."""
        self._flush_projects()
        dirty = self._flush_subjects() | self._flush_studies()
        fresh, before = self._flush_series()
        self._flush_blobs()
        dirty |= self._flush_files()
        self._reindex(fresh, before, dirty - fresh.keys())
        self._flush_rest()

    def _flush_projects(self) -> None:
        held, self._projects = self._projects, {}
        self._upsert("project", {project.id: rows.project_row(project) for project in held.values()})

    def _flush_subjects(self) -> set[int]:
        held, self._subjects = self._subjects, {}
        projects = self._numbers("project", [subject.project for subject in held.values()])
        changed = self._upsert("subject", {s.id: rows.subject_row(s, projects[s.project]) for s in held.values()})
        return self._series_under(tables.series.c.subject_n, changed)

    def _flush_studies(self) -> set[int]:
        held, self._studies = self._studies, {}
        subjects = self._numbers("subject", [study.subject for study in held.values()])
        changed = self._upsert("study", {s.id: rows.study_row(s, subjects[s.subject]) for s in held.values()})
        return self._series_under(tables.series.c.study_n, changed)

    def _flush_series(self) -> tuple[dict[int, tuple[Series, Description]], set[int]]:
        """Write the rows of series; give the records by row, and which rows were there before."""
        held, self._series = self._series, {}
        if not held:
            return {}, set()
        studies = self._numbers("study", [series.study for series, _ in held.values()])
        subjects = self._numbers("subject", [series.subject for series, _ in held.values()])
        found = rows.select_in(
            self._connection,
            sa.select(tables.subject.c.n, tables.subject.c.project_n),
            tables.subject.c.n,
            set(subjects.values()),
        )
        projects = {row.n: row.project_n for row in found}
        series_rows = {}
        for series, _ in held.values():
            subject = subjects[series.subject]
            series_rows[series.id] = rows.series_row(series, studies[series.study], subject, projects[subject])
        top = self._counter("series")
        self._upsert("series", series_rows, files=0, size=0)
        numbers = self._known["series"]
        fresh = {numbers[key]: record for key, record in held.items()}
        return fresh, {n for n in fresh if n < top}

    def _flush_blobs(self) -> None:
        held, self._blobs = self._blobs, {}
        if not held:
            return
        b = tables.blob.c
        found = rows.select_in(self._connection, sa.select(b.sha256, b.location), b.sha256, held)
        there = {row.sha256: row.location for row in found}
        new = [
            {"sha256": blob.sha256, "size": blob.size, "location": blob.location}
            for blob in held.values()
            if blob.sha256 not in there
        ]
        dialect.insert(self._connection, tables.blob, new)
        stored = [{"s": blob.sha256} for blob in held.values() if not blob.location and there.get(blob.sha256)]
        if stored:
            self._connection.execute(
                sa.update(tables.blob).where(b.sha256 == sa.bindparam("s")).values(location=""), stored
            )

    def _flush_files(self) -> set[int]:
        held, self._files = self._files, {}
        numbers = self._numbers("series", held)
        f = tables.file.c
        there: dict[int, dict[str, int]] = {n: {} for n in numbers.values()}
        statement = sa.select(f.series_n, f.name, f.position)
        for row in rows.select_in(self._connection, statement, f.series_n, numbers.values()):
            there[row.series_n][row.name] = row.position
        new: list[rows.Row] = []
        old: list[rows.Row] = []
        for series_id, files in held.items():
            positions = there[numbers[series_id]]
            for name, file in files.items():
                (old if name in positions else new).append(
                    rows.file_row(numbers[series_id], positions.setdefault(name, len(positions)), file)
                )
        if old:
            where = (f.series_n == sa.bindparam("s")) & (f.position == sa.bindparam("p"))
            parameters = [{**row, "s": row["series_n"], "p": row["position"]} for row in old]
            self._connection.execute(
                sa.update(tables.file)
                .where(where)
                .values({name: sa.bindparam(name) for name in ("role", "sha256", "source")}),
                [{k: v for k, v in row.items() if k in ("s", "p", "role", "sha256", "source")} for row in parameters],
            )
        dialect.insert(self._connection, tables.file, new)
        return set(numbers.values())

    def _reindex(self, fresh: Mapping[int, tuple[Series, Description]], before: set[int], dirty: set[int]) -> None:
        """Index series: `fresh` were put just now (those of `before` replace), `dirty` changed around themselves."""
        for batch in rows.batches(dirty):
            self._index_batch(self._load_records(batch), set(batch), write=False)
        if fresh:
            self._index_batch(fresh, before, write=True)

    def _index_batch(
        self, records: Mapping[int, tuple[Series, Description]], before: set[int], *, write: bool
    ) -> None:
        files = self._count_files(records)
        above = lookup.surroundings(self._connection, [series for series, _ in records.values()])
        entries = {
            n: entry(series, description, above[series.id], files=files.get(n, 0))
            for n, (series, description) in records.items()
        }
        r = tables.record.c
        found = rows.select_in(self._connection, sa.select(r.n, r.posted), r.n, before)
        after = self._index.post(entries, {row.n: row.posted for row in found})
        if write:
            for batch in rows.batches(before):
                self._connection.execute(sa.delete(tables.record).where(r.n.in_(batch)))
            dialect.insert(
                self._connection,
                tables.record,
                [{**rows.record_row(n, *record), "posted": after[n]} for n, record in records.items()],
            )
        else:
            self._connection.execute(
                sa.update(tables.record).where(r.n == sa.bindparam("i")).values(posted=sa.bindparam("p")),
                [{"i": n, "p": posted} for n, posted in after.items()],
            )

    def _count_files(self, numbers: Iterable[int]) -> dict[int, int]:
        f, b = tables.file.c, tables.blob.c
        statement = (
            sa.select(f.series_n, sa.func.count().label("files"), sa.func.sum(b.size).label("size"))
            .join_from(tables.file, tables.blob, f.sha256 == b.sha256)
            .group_by(f.series_n)
        )
        found = list(rows.select_in(self._connection, statement, f.series_n, list(numbers)))
        if found:
            s = tables.series.c
            self._connection.execute(
                sa.update(tables.series)
                .where(s.n == sa.bindparam("i"))
                .values(files=sa.bindparam("count"), size=sa.bindparam("bytes")),
                [{"i": row.series_n, "count": row.files, "bytes": row.size} for row in found],
            )
        return {row.series_n: row.files for row in found}

    def _load_records(self, numbers: Sequence[int]) -> dict[int, tuple[Series, Description]]:
        found = rows.select_in(self._connection, sa.select(tables.record), tables.record.c.n, numbers)
        return {row.n: (rows.series_of(row.series), rows.description_of(row)) for row in found}

    def _flush_rest(self) -> None:
        t = tables
        links, self._links = self._links, {}
        numbers = self._numbers("series", {end for pair in links for end in pair})
        self._replace(
            t.link,
            [
                {"series_n": numbers[of], "source_n": numbers[source], "activity": activity}
                for (of, source), activity in links.items()
            ],
        )
        instances, self._instances = self._instances, {}
        numbers = self._numbers("series", {instance.series for instance in instances.values()})
        self._replace(t.instance, [rows.instance_row(i, numbers[i.series]) for i in instances.values()])
        sources, self._sources = self._sources, {}
        names = ("path", "size", "mtime_ns", "sha256")
        self._replace(t.source, [dict(zip(names, source, strict=True)) for source in sources.values()])
        activities, self._activities = self._activities, {}
        self._replace(t.activity, [rows.activity_row(activity) for activity in activities.values()])

    def _replace(self, table: sa.Table, values: Sequence[rows.Row]) -> None:
        """Insert rows, or replace those of the same primary key."""
        if not values:
            return
        keys = list(table.primary_key.columns)
        where = sa.and_(*(key == sa.bindparam(f"old_{key.name}") for key in keys))
        self._connection.execute(
            sa.delete(table).where(where), [{f"old_{key.name}": row[key.name] for key in keys} for row in values]
        )
        dialect.insert(self._connection, table, values)

    def _counter(self, name: str) -> int:
        """Give the next row number of a table; no one else writes, so it is ours."""
        if name not in self._next:
            column = tables.metadata.tables[name].c.n
            self._next[name] = (self._connection.scalar(sa.select(sa.func.max(column))) or 0) + 1
        return self._next[name]

    def _upsert(self, name: str, values: Mapping[str, rows.Row], **first: int) -> list[int]:
        """Insert or update rows by id; `first` are values of new rows only. Gives the numbers of rows that changed."""
        table = tables.metadata.tables[name]
        columns = [table.c[column] for column in next(iter(values.values()), {})]
        found = rows.select_in(self._connection, sa.select(table.c.n, *columns), table.c.id, values)
        there = {row.id: row for row in found}
        known = self._known[name]
        new, changed = [], []
        for key, row in values.items():
            old = there.get(key)
            if old is None:
                known[key] = self._counter(name)
                self._next[name] += 1
                new.append({"n": known[key], **row, **first})
            else:
                known[key] = old.n
                if any(getattr(old, column) != value for column, value in row.items()):
                    changed.append({"number": old.n, **row})
        dialect.insert(self._connection, table, new)
        if changed:
            sets: dict[str, Any] = {column.name: sa.bindparam(column.name) for column in columns}
            self._connection.execute(
                sa.update(table).where(table.c.n == sa.bindparam("number")).values(sets), changed
            )
        return [row["number"] for row in changed]

    def _numbers(self, name: str, ids: Iterable[str]) -> dict[str, int]:
        """Give the row numbers of records by id; raise NotFound for one that is nowhere."""
        known = self._known[name]
        table = tables.metadata.tables[name]
        wanted = set(ids)
        missing = wanted - known.keys()
        for row in rows.select_in(self._connection, sa.select(table.c.id, table.c.n), table.c.id, missing):
            known[row.id] = row.n
        if not wanted <= known.keys():
            raise NotFound(f"there is no {name} of that id")
        return {key: known[key] for key in wanted}

    def _series_under(self, column: sa.Column[int], numbers: Sequence[int]) -> set[int]:
        found = rows.select_in(self._connection, sa.select(tables.series.c.n), column, numbers)
        return {row.n for row in found}


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**old, **new}.items() if value is not None}


def _found(row: Any, level: Level) -> Any:
    if row is None:
        raise NotFound(f"there is no {level.value} of that id")
    return row
