"""The JSON of ``vasculum import``: a contract (docs: reference, JSON)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vasculum.cli.escapes import exact_bytes
from vasculum.model.plans import FileOutcome, ImportPlan, ImportReport, PlannedSeries, PlannedSubject
from vasculum.repo.show import geometry_json


def plan_as_json(plan: ImportPlan) -> dict[str, Any]:
    """Give a plan in the form of the contract."""
    return {
        "planned": True,
        "project": plan.project,
        "files": [_file(f) for f in plan.files],
        "series": [_series(s) for s in plan.series],
        "subjects": [_subject(s) for s in plan.subjects],
        "findings": plan.findings,
        "identified": plan.identified,
    }


def report_as_json(plan: ImportPlan, report: ImportReport, root: Path) -> dict[str, Any]:
    """Give a report in the form of the contract: that of the plan, with what came of it."""
    ids = series_ids(plan, report)
    return {
        "planned": False,
        "repository": root,
        "project": report.project,
        "files": [_file(f) for f in report.files],
        "series": [_series(s) | {"id": ids.get(s.key, s.existing)} for s in plan.series],
        "subjects": [_subject(s) for s in plan.subjects],
        "findings": [*plan.findings, *(f for f in report.findings if f not in plan.findings)],
        "identified": plan.identified,
        "seconds": round(report.seconds, 3),
        "bytes_stored": report.bytes_stored,
    }


def series_ids(plan: ImportPlan, report: ImportReport) -> dict[str, str]:
    """Say which id each planned series got: the two tell of the same files."""
    keys = {file.path: file.series for file in plan.files if file.series}
    return {keys[file.path]: file.series for file in report.files if file.series and file.path in keys}


def _file(file: FileOutcome) -> dict[str, Any]:
    entry = {
        "path": file.path,
        "outcome": file.outcome,
        "kind": file.kind,
        "series": file.series,
        "reason": file.reason,
    }
    exact = exact_bytes(file.path)
    return entry | ({"path_base64": exact} if exact else {})


def _subject(subject: PlannedSubject) -> dict[str, Any]:
    return {
        "key": subject.key,
        "label": subject.label,
        "kind": subject.kind,
        "issuer": subject.issuer,
        "metadata": subject.metadata,
        "why": subject.why,
    }


def _series(series: PlannedSeries) -> dict[str, Any]:
    described = series.description
    return {
        "key": series.key,
        "id": series.existing,
        "uid": series.uid,
        "subject": series.subject,
        "study_uid": series.study_uid,
        "study_label": series.study_label,
        "study_date": series.study_date,
        "kind": described.kind,
        "format": described.format,
        "modality": described.modality,
        "label": described.title,
        "files": len(series.files),
        "geometry": geometry_json(described.geometry) if described.geometry else None,
        "segments": [s.name for s in described.segments],
        "landmarks": len(described.landmarks),
        "findings": series.findings,
        "why": series.why,
        "known": series.known,
        "duplicate_of": series.duplicate_of,
        "sources": series.sources,
    }
