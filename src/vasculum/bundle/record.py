"""The record: everything that is known of a subject, its studies and series, as JSON (DESIGN 4.1).

It is the text of a node in the scene, a member of the zip, and, per object, a private element of every DICOM file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from vasculum.model.geometry import Geometry
from vasculum.model.records import Activity, Series, Study, Subject

RECORD_VERSION = "vasculum-record/1"
"""Value of ``format`` in every record."""


def plain(value: Any) -> Any:
    """Turn a value of the model into what JSON holds; numbers that JSON has not (NaN) become their names."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry) for entry in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    return plain(value.item()) if hasattr(value, "item") else str(value)


def encode(record: Mapping[str, Any]) -> bytes:
    """Write a record as JSON. Only ASCII, so that any string comes back exactly, lone surrogates too."""
    return json.dumps(record, ensure_ascii=True, allow_nan=False, indent=1).encode() + b"\n"


def subject_record(subject: Subject) -> dict[str, Any]:
    """Give a subject without the ids of the repository's own bookkeeping."""
    return dict(plain(subject))


def study_record(study: Study) -> dict[str, Any]:
    """Give a study."""
    return dict(plain(study))


def series_record(series: Series, attributes: Mapping[str, Any], sources: Sequence[str]) -> dict[str, Any]:
    """Give a series with every header field of its source.

    Its geometry has ``affine_lps`` besides; its files have name, role, size and SHA-256, not where they were.
    """
    record: dict[str, Any] = {
        f.name: plain(getattr(series, f.name))
        for f in fields(series)
        if f.name not in {"voxels", "files", "landmarks"}
    }
    record["geometry"] = geometry_record(series.geometry)
    record["sources"] = list(dict.fromkeys((*sources, *series.sources)))
    record["files"] = [
        {"name": f.name, "role": f.role, "size": f.blob.size, "sha256": f.blob.sha256} for f in series.files
    ]
    record["attributes"] = plain(attributes)
    return record


def geometry_record(geometry: Geometry | None) -> dict[str, Any] | None:
    """Give a geometry with its 4×4 matrix from (i, j, k) to LPS millimetres."""
    if geometry is None:
        return None
    return {**plain(geometry), "affine_lps": geometry.affine.tolist()}


def bundle_record(
    *,
    subject: Subject,
    studies: Sequence[Study],
    series: Sequence[Mapping[str, Any]],
    activities: Sequence[Activity],
    when: datetime,
    software: str,
) -> dict[str, Any]:
    """Give the record of a whole bundle."""
    return {
        "format": RECORD_VERSION,
        "packed": when.isoformat(),
        "software": software,
        "subject": subject_record(subject),
        "studies": [study_record(study) for study in studies],
        "series": list(series),
        "activities": [plain(activity) for activity in activities],
    }
