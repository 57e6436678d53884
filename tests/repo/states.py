"""The state of a repository without what differs from run to run (ids, times): two imports of one folder compare equal."""

from __future__ import annotations

from typing import Any

from vasculum.model.query import Level
from vasculum.repo.repository import Repository


def state(repository: Repository) -> list[Any]:
    """Give everything that is known, sorted, ids replaced by what they stand for."""
    catalog = repository.catalog
    uid_of = {s.id: s.uid for s in catalog.find("", level=Level.SERIES)}
    lines = []
    for one in catalog.find("", level=Level.SERIES):
        series = catalog.series(one.id)
        subject, study = catalog.subject(series.subject), catalog.study(series.study)
        instances = sorted((i.uid, i.file, i.sha256, i.version) for i in catalog.instances_of(series.id))
        lines.append(
            (
                subject.label,
                sorted((k, str(v)) for k, v in subject.metadata.items()),
                study.uid,
                series.uid,
                str(series.kind),
                series.label,
                series.voxel_print,
                sorted((f.name, f.role, f.blob.sha256, f.source) for f in series.files),
                instances,
                sorted(uid_of[s] for s in series.sources),
                sorted(f.code for f in series.findings),
                repr(series.geometry),
            )
        )
    return sorted(lines, key=repr)
