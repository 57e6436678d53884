"""The JSON of subjects, studies and series: a contract (docs: reference, JSON)."""

from __future__ import annotations

from typing import Any

from vasculum.cli.plan_json import geometry_as_json

_FIELDS = (
    *("id", "uid", "label", "kind", "format", "modality", "project", "subject", "study", "issuer", "date"),
    *("imported", "activity", "voxel_print", "findings", "metadata"),
)


def record_as_json(record: Any) -> dict[str, Any]:
    """Give a record in the form of the contract: its plain fields; of a series also geometry, segments and landmarks.

    Parameters
    ----------
    record
        A subject, study or series, or the object of a repository that stands for one. A subject or study that it belongs
        to is given by its id.
    """
    entry = {name: _plain(getattr(record, name)) for name in _FIELDS if hasattr(record, name)}
    if hasattr(record, "geometry"):
        entry["geometry"] = geometry_as_json(record.geometry)
        entry["segments"] = [segment.name for segment in record.segments]
        entry["landmarks"] = [landmark.label for landmark in record.landmarks]
    return entry


def _plain(value: Any) -> Any:
    return getattr(value, "id", value)
