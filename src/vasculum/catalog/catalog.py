"""The catalogue: what there is, where it is, and how it is found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import sqlalchemy as sa

from vasculum.errors import Conflict, NotFound
from vasculum.model.description import Description, Value
from vasculum.model.query import Level, Query
from vasculum.model.records import Activity, AuditEvent, Blob, Instance, Project, Series, Study, Subject

from . import audit, cells, dialect, headers, lookup, migrate, rows, tables
from .search import pages, scope
from .writer import Writer

T = TypeVar("T")


class Catalog:
    """A catalogue in one SQLite file. Safe to share between threads and processes: many read while one writes."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def create(cls, path: Path) -> Catalog:
        """Make a new catalogue at the newest schema.

        Raises
        ------
        Conflict
            There is a file of that name.
        """
        if path.exists():
            raise Conflict("there is a catalogue already", hint="open it, or choose another folder")
        engine = dialect.engine(path)
        migrate.upgrade(engine)
        return cls(engine)

    @classmethod
    def open(cls, path: Path) -> Catalog:
        """Open a catalogue, and bring an older one forward.

        Raises
        ------
        NotFound
            There is no such file.
        Unreadable
            The file is no catalogue.
        VasculumError
            It was written by a newer vasculum.
        """
        if not path.is_file():
            raise NotFound("there is no catalogue here", hint="run vasculum init")
        engine = dialect.engine(path)
        try:
            migrate.bring_forward(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[Writer]:
        """Write: all of it, or nothing where an exception leaves the block. Waits for another writer.

        Raises
        ------
        NotFound
            A record names another that is not there.
        Unavailable
            The disk is full, or another writer does not end.
        """
        with dialect.written(self._engine) as connection:
            writer = Writer(connection)
            yield writer
            writer.flush()

    # --- records -----------------------------------------------------------------------------------------------

    def projects(self) -> list[Project]:
        """Give all projects by name."""
        statement = sa.select(tables.project).order_by(tables.project.c.name)
        return self._all(statement, rows.project_of)

    def project(self, name_or_id: str) -> Project:
        """Give a project by its name or id."""
        p = tables.project.c
        statement = sa.select(tables.project).where((p.id == name_or_id) | (p.name == name_or_id))
        return self._one(statement, rows.project_of, "project")

    def subject(self, subject_id: str) -> Subject:
        """Give a subject."""
        return self._one(rows.SUBJECTS.where(tables.subject.c.id == subject_id), rows.subject_of, "subject")

    def study(self, study_id: str) -> Study:
        """Give a study."""
        return self._one(rows.STUDIES.where(tables.study.c.id == study_id), rows.study_of, "study")

    def series(self, series_id: str) -> Series:
        """Give a series with its files and sources."""
        with self._engine.connect() as connection:
            return lookup.series(connection, series_id)

    def description(self, series_id: str) -> Description:
        """Give the description that a series was put with."""
        t = tables
        statement = sa.select(t.record).join(t.series).where(t.series.c.id == series_id)
        return self._one(statement, rows.description_of, "series")

    def header(self, series_id: str) -> dict[str, Any]:
        """Give the elements that are equal in all instances, as DICOM JSON (PS3.18 Annex F); empty for other formats."""
        return headers.common(self.description(series_id))

    def instance_headers(self, series_id: str) -> list[dict[str, Any]]:
        """Give the whole header of every instance, as DICOM JSON, in the order of the parts."""
        return headers.whole(self.description(series_id))

    def children(self, level: Level, owner_id: str) -> list[Study] | list[Series]:
        """Give the studies of a subject, or the series of a study."""
        with self._engine.connect() as connection:
            return lookup.children(connection, level, owner_id)

    # --- search ------------------------------------------------------------------------------------------------

    def resolve(self, text: str) -> tuple[Level, str]:
        """Find what an id, the start of one (6 characters or more), a UID or an exact label means.

        Raises
        ------
        NotFound
            Nothing; the hint has the nearest label.
        Conflict
            More than one thing.
        """
        with self._engine.connect() as connection:
            return lookup.resolve(connection, text)

    def parse(self, text: str) -> Query:
        """Read a query and check its fields.

        Raises
        ------
        QuerySyntax
            With the column, and the nearest field for one that is unknown.
        """
        with self._engine.connect() as connection:
            return scope.parsed(connection, text)

    def find(
        self,
        query: Query | str,
        *,
        level: Level = Level.SERIES,
        project: str = "",
        limit: int | None = None,
        offset: int = 0,
        order: Sequence[str] = (),
    ) -> list[Subject] | list[Study] | list[Series]:
        """Search.

        Parameters
        ----------
        query
            Text of the language, or a tree.
        level
            What to return: a subject or study is found where one of its series is.
        project
            Name or id of the only project to look in.
        limit, offset
            The page; None is all.
        order
            Fields to sort by, ``-`` before one turns it round. Newest first by default.
        """
        with self._engine.connect() as connection:
            tree = scope.within(connection, query, project)
            numbers = pages.page(connection, tree, level, limit=limit, offset=offset, order=order)
            return lookup.load(connection, level, numbers)

    def count(self, query: Query | str, *, level: Level = Level.SERIES, project: str = "") -> int:
        """Count what `find` would give."""
        with self._engine.connect() as connection:
            return pages.count(connection, scope.within(connection, query, project), level)

    def facets(
        self, query: Query | str, field: str, *, level: Level = Level.SERIES, project: str = "", limit: int = 50
    ) -> list[tuple[str, int]]:
        """Count the values of a field among the results, most frequent first."""
        with self._engine.connect() as connection:
            tree = scope.within(connection, query, project)
            return pages.facets(connection, tree, scope.known(connection, field), level, limit)

    def columns(self, level: Level, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, list[Value]]]:
        """Give the values of fields for a table: a row for every id, exact strings, an empty list for none."""
        with self._engine.connect() as connection:
            return cells.columns(connection, level, ids, fields)

    def fields(self) -> list[str]:
        """Give the name of every field in use and of the built-in ones."""
        with self._engine.connect() as connection:
            return scope.field_names(connection)

    # --- bytes and identity ------------------------------------------------------------------------------------

    def blob(self, sha256: str) -> Blob | None:
        """Give a blob, or None."""
        return next(iter(self._all(sa.select(tables.blob).where(tables.blob.c.sha256 == sha256), _blob_of)), None)

    def blobs(self) -> Iterator[Blob]:
        """Give every blob, by digest."""
        with self._engine.connect() as connection:
            statement = sa.select(tables.blob).order_by(tables.blob.c.sha256)
            for row in connection.execution_options(yield_per=1000).execute(statement):
                yield _blob_of(row)

    def known_blobs(self, shas: Collection[str]) -> dict[str, Blob]:
        """Give those of some blobs that are here, by digest."""
        found = self._in(sa.select(tables.blob), tables.blob.c.sha256, shas)
        return {row.sha256: _blob_of(row) for row in found}

    def series_with_blob(self, sha256: str) -> list[str]:
        """Give the ids of the series that have a file of these bytes."""
        return self.series_with_blobs({sha256}).get(sha256, [])

    def series_with_blobs(self, shas: Collection[str]) -> dict[str, list[str]]:
        """Give the ids of the series that have a file of these bytes, by digest."""
        f, s = tables.file.c, tables.series.c
        statement = sa.select(f.sha256, s.id).join_from(tables.file, tables.series, f.series_n == s.n).distinct()
        known: dict[str, list[str]] = {}
        for row in self._in(statement.order_by(s.id), f.sha256, shas):
            known.setdefault(row.sha256, []).append(row.id)
        return known

    def sources(self, paths: Collection[str]) -> dict[str, tuple[int, int, str]]:
        """Give size, modification time (ns) and SHA-256 of files at their last import, by path."""
        found = self._in(sa.select(tables.source), tables.source.c.path, paths)
        return {row.path: (row.size, row.mtime_ns, row.sha256) for row in found}

    def instances(self, uid: str) -> list[Instance]:
        """Give all instances of a SOP Instance UID: more than one where other bytes came under the same."""
        i = tables.instance.c
        return self._all(rows.INSTANCES.where(i.uid == uid).order_by(i.version, i.id), rows.instance_of)

    def instances_of(self, series_id: str) -> list[Instance]:
        """Give the instances of a series."""
        i = tables.instance.c
        return self._all(rows.INSTANCES.where(tables.series.c.id == series_id).order_by(i.id), rows.instance_of)

    def known_instances(self, uids: Collection[str]) -> dict[str, list[tuple[str, str, int]]]:
        """Give ``(series id, SHA-256, version)`` of the instances that are here, by UID."""
        known: dict[str, list[tuple[str, str, int]]] = {}
        for row in self._in(rows.INSTANCES, tables.instance.c.uid, uids):
            known.setdefault(row.uid, []).append((row.series, row.sha256, row.version))
        return {uid: sorted(versions, key=lambda v: v[2]) for uid, versions in known.items()}

    def series_by_uid(self, uid: str) -> list[str]:
        """Give the ids of the series of a Series Instance UID."""
        s = tables.series.c
        return self._all(sa.select(s.id).where(s.uid == uid).order_by(s.n), lambda row: str(row.id))

    def series_by_print(self, prints: Collection[str]) -> dict[str, list[str]]:
        """Give the ids of the series of voxel prints."""
        s = tables.series.c
        known: dict[str, list[str]] = {}
        statement = sa.select(s.id, s.voxel_print).where(s.voxel_print != "")
        for row in self._in(statement, s.voxel_print, prints):
            known.setdefault(row.voxel_print, []).append(row.id)
        return known

    def subject_by_label(self, project_id: str, label: str, issuer: str = "") -> Subject | None:
        """Give the subject of a label in a project, or None."""
        s = tables.subject.c
        where = (tables.project.c.id == project_id) & (s.label == label) & (s.issuer == issuer)
        return next(iter(self._all(rows.SUBJECTS.where(where), rows.subject_of)), None)

    def study_by_uid(self, project_id: str, uid: str) -> Study | None:
        """Give the study of a Study Instance UID in a project, or None."""
        statement = rows.STUDIES.join(tables.project, tables.subject.c.project_n == tables.project.c.n)
        where = (tables.project.c.id == project_id) & (tables.study.c.uid == uid)
        return next(iter(self._all(statement.where(where).order_by(tables.study.c.n), rows.study_of)), None)

    # --- history -----------------------------------------------------------------------------------------------

    def activity(self, activity_id: str) -> Activity:
        """Give an activity."""
        return self._one(
            sa.select(tables.activity).where(tables.activity.c.id == activity_id), rows.activity_of, "activity"
        )

    def audit(self, since: int = 0) -> list[AuditEvent]:
        """Give the audit events after a sequence number, oldest first."""
        a = tables.audit.c
        return self._all(sa.select(tables.audit).where(a.sequence > since).order_by(a.sequence), rows.audit_of)

    def verify_audit(self) -> str:
        """Check the audit chain; empty if it is sound, else what is wrong."""
        with self._engine.connect() as connection:
            return audit.first_broken(connection)

    def check(self) -> str:
        """Let the database check itself; empty if it is sound, else what is wrong."""
        with self._engine.connect() as connection:
            return dialect.first_fault(connection)

    # --- plumbing ----------------------------------------------------------------------------------------------

    def _all(self, statement: sa.Select[Any], make: Callable[[Any], T]) -> list[T]:
        with self._engine.connect() as connection:
            return [make(row) for row in connection.execute(statement)]

    def _one(self, statement: sa.Select[Any], make: Callable[[Any], T], noun: str) -> T:
        found = self._all(statement, make)
        if not found:
            raise NotFound(f"there is no {noun} of that id")
        return found[0]

    def _in(self, statement: sa.Select[Any], column: Any, values: Collection[Any]) -> list[sa.Row[Any]]:
        with self._engine.connect() as connection:
            return list(rows.select_in(connection, statement, column, values))


def _blob_of(row: Any) -> Blob:
    return Blob(sha256=row.sha256, size=row.size, location=row.location)
