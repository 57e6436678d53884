"""Records to rows and rows to records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from vasculum.model.description import Description
from vasculum.model.kinds import SubjectKind
from vasculum.model.records import (
    Activity,
    Agent,
    AuditEvent,
    Blob,
    Instance,
    Project,
    Series,
    StoredFile,
    Study,
    Subject,
)

from . import tables
from .encode import converted, mapping, packed, plain, time_text, time_value, unpacked
from .values import fold

Row = dict[str, Any]
T = TypeVar("T")

IN_LIST = 500
"""Values in one IN (...) list."""


def batches(values: Collection[T]) -> Iterator[Sequence[T]]:
    """Cut values into lists that fit in one statement."""
    every = list(values)
    for start in range(0, len(every), IN_LIST):
        yield every[start : start + IN_LIST]


def select_in(
    connection: sa.Connection, statement: sa.Select[Any], column: sa.ColumnElement[Any], values: Collection[Any]
) -> Iterator[sa.Row[Any]]:
    """Run a statement for the rows whose column is one of many values."""
    for batch in batches(values):
        yield from connection.execute(statement.where(column.in_(batch))).all()


def project_row(project: Project) -> Row:
    return {"id": project.id, "name": project.name, "policy": project.policy, "schema": packed(project.schema)}


def project_of(row: Any) -> Project:
    return Project(id=row.id, name=row.name, policy=row.policy, schema=mapping(row.schema))


def subject_row(subject: Subject, project_n: int) -> Row:
    return {
        "id": subject.id,
        "project_n": project_n,
        "label": subject.label,
        "folded": fold(subject.label),
        "kind": subject.kind.value,
        "issuer": subject.issuer,
        "metadata": packed(subject.metadata),
    }


SUBJECTS = sa.select(tables.subject, tables.project.c.id.label("project")).join_from(tables.subject, tables.project)


def subject_of(row: Any) -> Subject:
    return Subject(
        id=row.id,
        project=row.project,
        label=row.label,
        kind=SubjectKind(row.kind),
        issuer=row.issuer,
        metadata=mapping(row.metadata),
    )


def study_row(study: Study, subject_n: int) -> Row:
    return {
        "id": study.id,
        "subject_n": subject_n,
        "uid": study.uid,
        "label": study.label,
        "date": study.date,
        "metadata": packed(study.metadata),
    }


STUDIES = sa.select(tables.study, tables.subject.c.id.label("subject")).join_from(tables.study, tables.subject)


def study_of(row: Any) -> Study:
    return Study(
        id=row.id, subject=row.subject, uid=row.uid, label=row.label, date=row.date, metadata=mapping(row.metadata)
    )


def series_row(series: Series, study_n: int, subject_n: int, project_n: int) -> Row:
    return {
        "id": series.id,
        "study_n": study_n,
        "subject_n": subject_n,
        "project_n": project_n,
        "uid": series.uid,
        "label": series.label,
        "folded": fold(series.label),
        "kind": series.kind.value,
        "format": series.format,
        "modality": series.modality,
        "voxel_print": series.voxel_print,
        "imported": time_text(series.imported),
        "activity": series.activity,
    }


def record_row(n: int, series: Series, description: Description) -> Row:
    of_series, of_description = plain(series), plain(description)
    for name in ("files", "sources"):
        of_series.pop(name, None)
    return {
        "n": n,
        "series": packed(of_series),
        "header": of_description.pop("header", b""),
        "differences": of_description.pop("differences", b""),
        "description": packed(of_description),
    }


def series_of(body: bytes) -> Series:
    return converted(unpacked(body), Series)


def description_of(row: Any) -> Description:
    known = converted(unpacked(row.description), Description)
    return replace(known, header=row.header, differences=row.differences)


def file_row(series_n: int, position: int, file: StoredFile) -> Row:
    return {
        "series_n": series_n,
        "position": position,
        "name": file.name,
        "role": file.role,
        "sha256": file.blob.sha256,
        "source": file.source,
    }


FILES = sa.select(tables.file, tables.blob.c.size, tables.blob.c.location).join_from(
    tables.file, tables.blob, tables.file.c.sha256 == tables.blob.c.sha256
)


def file_of(row: Any) -> StoredFile:
    return StoredFile(
        name=row.name,
        role=row.role,
        blob=Blob(sha256=row.sha256, size=row.size, location=row.location),
        source=row.source,
    )


def instance_row(instance: Instance, series_n: int) -> Row:
    return {
        "id": instance.id,
        "series_n": series_n,
        "uid": instance.uid,
        "sop_class_uid": instance.sop_class_uid,
        "file": instance.file,
        "sha256": instance.sha256,
        "version": instance.version,
    }


INSTANCES = sa.select(tables.instance, tables.series.c.id.label("series")).join_from(tables.instance, tables.series)


def instance_of(row: Any) -> Instance:
    return Instance(
        id=row.id,
        series=row.series,
        uid=row.uid,
        sop_class_uid=row.sop_class_uid,
        file=row.file,
        sha256=row.sha256,
        version=row.version,
    )


def activity_row(activity: Activity) -> Row:
    body = {
        "agent": activity.agent,
        "parameters": activity.parameters,
        "used": activity.used,
        "generated": activity.generated,
    }
    return {
        "id": activity.id,
        "type": activity.type,
        "started": time_text(activity.started),
        "body": packed(body),
    }


def activity_of(row: Any) -> Activity:
    body = unpacked(row.body)
    started = time_value(row.started)
    assert started is not None, "an activity has a time"
    return Activity(
        id=row.id,
        type=row.type,
        started=started,
        agent=converted(body["agent"], Agent),
        parameters=body["parameters"],
        used=tuple(body["used"]),
        generated=tuple(body["generated"]),
    )


def audit_of(row: Any) -> AuditEvent:
    time = time_value(row.time)
    assert time is not None, "an event has a time"
    return AuditEvent(
        sequence=row.sequence,
        time=time,
        action=row.action,
        event=row.event,
        agent=row.agent,
        objects=tuple(row.objects.split("\n")) if row.objects else (),
        outcome=row.outcome,
        digest=row.digest,
    )
