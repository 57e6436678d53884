"""Everything about one thing, ready for JSON (``vasculum show``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vasculum.model.description import Finding, Landmark, Segment
from vasculum.model.geometry import Geometry
from vasculum.model.query import Level
from vasculum.model.records import Series, Study, Subject

if TYPE_CHECKING:
    from vasculum.catalog import Catalog


def geometry_json(geometry: Geometry) -> dict[str, Any]:
    """Give a geometry for JSON: part of the contract of ``show --json``.

    ``affine_lps`` maps (i, j, k, 1) to LPS millimetres; ``shape`` is (k, j, i); ``spacing`` is along (i, j, k), in the
    order of the columns of the affine.
    """
    return {
        "affine_lps": geometry.affine.tolist(),
        "shape": list(geometry.shape),
        "spacing": list(geometry.spacing),
        "origin": list(geometry.origin),
        "regular": geometry.regular,
        "irregular": geometry.irregular,
        "frame_of_reference": geometry.frame_of_reference,
    }


def show(catalog: Catalog, level: Level, identifier: str) -> dict[str, Any]:
    """Give a subject, study or series with what belongs to it."""
    if level is Level.SUBJECT:
        return _subject(catalog, catalog.subject(identifier))
    if level is Level.STUDY:
        return _study(catalog, catalog.study(identifier))
    return _series(catalog, catalog.series(identifier))


def summary(record: Subject | Study | Series) -> dict[str, Any]:
    """Give the short form of a record: a line of ``find --json``."""
    if isinstance(record, Subject):
        own = {"label": record.label, "kind": str(record.kind), "metadata": dict(record.metadata)}
        return {"level": "subject", "id": record.id, **own}
    if isinstance(record, Study):
        return {
            "level": "study",
            "id": record.id,
            "subject": record.subject,
            "uid": record.uid,
            "label": record.label,
            "date": record.date,
        }
    return {
        "level": "series",
        "id": record.id,
        "subject": record.subject,
        "study": record.study,
        "uid": record.uid,
        "kind": str(record.kind),
        "modality": record.modality,
        "format": record.format,
        "label": record.label,
        "shape": list(record.geometry.shape) if record.geometry else None,
        "spacing": list(record.geometry.spacing) if record.geometry else None,
        "segments": len(record.segments),
        "landmarks": len(record.landmarks),
        "findings": [f.code for f in record.findings],
    }


def _subject(catalog: Catalog, subject: Subject) -> dict[str, Any]:
    studies = catalog.children(Level.SUBJECT, subject.id)
    return {
        **summary(subject),
        "issuer": subject.issuer,
        "project": catalog.project(subject.project).name,
        "studies": [_study(catalog, study) for study in studies if isinstance(study, Study)],
    }


def _study(catalog: Catalog, study: Study) -> dict[str, Any]:
    series = catalog.children(Level.STUDY, study.id)
    return {**summary(study), "metadata": dict(study.metadata), "series": [summary(s) for s in series]}


def _series(catalog: Catalog, series: Series) -> dict[str, Any]:
    subject = catalog.subject(series.subject)
    description = catalog.description(series.id)
    return {
        **summary(series),
        "subject_label": subject.label,
        "subject_metadata": dict(subject.metadata),
        "metadata": dict(series.metadata),
        "geometry": geometry_json(series.geometry) if series.geometry else None,
        "voxels": _voxels(description.voxels),
        "voxel_print": series.voxel_print,
        "segments": [_segment(s) for s in series.segments],
        "landmarks": [_landmark(m) for m in series.landmarks],
        "findings": [_finding(f) for f in series.findings],
        "attributes": {k: list(v) for k, v in description.attributes.items()},
        "files": [
            {"name": f.name, "role": f.role, "sha256": f.blob.sha256, "size": f.blob.size, "source": f.source}
            for f in series.files
        ],
        "provenance": _provenance(catalog, series),
    }


def _voxels(voxels: Any) -> dict[str, Any] | None:
    if voxels is None:
        return None
    own = {"dtype": voxels.dtype, "axes": voxels.axes, "sizes": list(voxels.sizes), "encoding": voxels.encoding}
    return {**own, "slope": voxels.slope, "intercept": voxels.intercept, "unit": voxels.unit}


def _segment(segment: Segment) -> dict[str, Any]:
    codes = {
        "category": segment.category,
        "type": segment.type,
        "modifier": segment.modifier,
        "region": segment.region,
    }
    return {
        "number": segment.number,
        "name": segment.name,
        "label_value": segment.label_value,
        "layer": segment.layer,
        "id": segment.id,
        "color": list(segment.color) if segment.color else None,
        **{k: {"value": c.value, "scheme": c.scheme, "meaning": c.meaning} if c else None for k, c in codes.items()},
    }


def _landmark(landmark: Landmark) -> dict[str, Any]:
    own = {"label": landmark.label, "position_lps": list(landmark.position), "id": landmark.id}
    return {**own, "description": landmark.description, "defined": landmark.defined}


def _finding(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "severity": str(finding.severity), "text": finding.text}


def _provenance(catalog: Catalog, series: Series) -> Mapping[str, Any]:
    if not series.activity:
        return {"sources": list(series.sources)}
    activity = catalog.activity(series.activity)
    return {
        "sources": list(series.sources),
        "activity": activity.type,
        "when": activity.started.isoformat(),
        "agent": f"{activity.agent.name} {activity.agent.version}".strip(),
        "parameters": dict(activity.parameters),
    }
