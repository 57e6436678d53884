"""Setting metadata: validated, recorded, audited, in one transaction (house rule 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from uuid_utils import uuid7

from vasculum.errors import Invalid
from vasculum.model.query import Level
from vasculum.model.records import Activity, Agent

if TYPE_CHECKING:
    from vasculum.catalog import Catalog

VOXEL_SIZE = "voxel-size"


def annotate(catalog: Catalog, level: Level, identifier: str, fields: Mapping[str, Any], when: datetime) -> None:
    """Set or (with None) remove metadata fields.

    Raises
    ------
    Invalid
        A subject field does not fit the schema of its project, or a voxel size does not fit the series.
    """
    rest = dict(fields)
    voxel_size = rest.pop(VOXEL_SIZE, None)
    before = _metadata(catalog, level, identifier)
    after = {k: v for k, v in {**before, **rest}.items() if v is not None}
    if level is Level.SUBJECT:
        _validate(catalog.project(catalog.subject(identifier).project).schema, after)
    activity = Activity(
        id=str(uuid7()),
        type="annotate",
        started=when,
        agent=Agent(name="vasculum"),
        parameters={"fields": sorted(fields)},
    )
    with catalog.transaction() as writer:
        writer.put_activity(activity)
        if rest:
            writer.set_metadata(level, identifier, rest)
        if voxel_size is not None:
            _set_voxel_size(catalog, writer, level, identifier, voxel_size)
        writer.audit(action="U", event="Patient Record", agent="vasculum", objects=(identifier,), time=when)


def _metadata(catalog: Catalog, level: Level, identifier: str) -> Mapping[str, Any]:
    if level is Level.SUBJECT:
        return catalog.subject(identifier).metadata
    if level is Level.STUDY:
        return catalog.study(identifier).metadata
    return catalog.series(identifier).metadata


def _validate(schema: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    if not schema:
        return
    from jsonschema import Draft202012Validator

    faults = [
        f"{'.'.join(map(str, e.path)) or 'record'}: {e.message}"
        for e in Draft202012Validator(schema).iter_errors(metadata)
    ]
    if faults:
        raise Invalid("; ".join(faults[:5]), hint="see the metadata schema of the project")


def _set_voxel_size(catalog: Catalog, writer: Any, level: Level, identifier: str, size: Any) -> None:
    from vasculum.formats.stack import with_voxel_size

    description = catalog.description(identifier) if level is Level.SERIES else None
    if description is None or all(f.code != "needs-voxel-size" for f in description.findings):
        raise Invalid("only a series that needs a voxel size can be given one", hint="see its findings")
    completed = with_voxel_size(description, size)
    series = replace(catalog.series(identifier), geometry=completed.geometry, findings=completed.findings)
    writer.put_series(series, completed)
