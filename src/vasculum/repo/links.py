"""What was derived from what: references in headers, equal grids, equal names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vasculum.model.kinds import Kind
from vasculum.model.plans import PlannedSeries
from vasculum.repo.naming import is_prefix, stem

_DERIVED = frozenset({Kind.SEGMENTATION, Kind.LANDMARKS, Kind.MESH, Kind.REPORT, Kind.TRANSFORM})


def with_sources(series: Sequence[PlannedSeries]) -> list[PlannedSeries]:
    """Fill `PlannedSeries.sources` where the files say, or leave no doubt, what a series was made from."""
    by_uid: dict[str, str] = {}
    for one in series:
        by_uid.setdefault(one.description.dicom.series_instance_uid if one.description.dicom else one.uid, one.key)
        for instance in one.description.instances:
            by_uid.setdefault(instance.sop_instance_uid, one.key)
    volumes: dict[str, list[PlannedSeries]] = defaultdict(list)
    for one in series:
        if one.description.kind is Kind.VOLUME:
            volumes[one.subject].append(one)
    linked = [replace(one, sources=_sources(one, by_uid, volumes[one.subject])) for one in series]
    by_key = {one.key: one for one in linked}
    return [_in_study_of_source(one, by_key) for one in linked]


def _in_study_of_source(one: PlannedSeries, by_key: Mapping[str, PlannedSeries]) -> PlannedSeries:
    """File what was made from a DICOM series under the study of that series."""
    source = by_key[one.sources[0]] if one.sources else one
    if one.description.dicom is not None or source.subject != one.subject:
        return one
    return replace(one, study_uid=source.study_uid, study_label=source.study_label, study_date=source.study_date)


def _sources(one: PlannedSeries, by_uid: dict[str, str], volumes: list[PlannedSeries]) -> tuple[str, ...]:
    named = {
        by_uid[r.target]: None
        for r in one.description.references
        if r.how in {"series-uid", "instance-uid"} and r.target in by_uid
    }
    named.pop(one.key, None)
    if named:
        return tuple(named)
    if one.description.kind not in _DERIVED:
        return ()
    candidates = [v for v in volumes if v.key != one.key]
    if len(candidates) > 1:
        candidates = _same_grid(one, candidates) or _same_name(one, candidates)
    return (candidates[0].key,) if len(candidates) == 1 else ()


def _same_grid(one: PlannedSeries, volumes: list[PlannedSeries]) -> list[PlannedSeries]:
    grid = one.description.geometry
    if grid is None:
        return []
    return [v for v in volumes if v.description.geometry and grid.same_space(v.description.geometry)]


def _same_name(one: PlannedSeries, volumes: list[PlannedSeries]) -> list[PlannedSeries]:
    own = stem(one.description.parts[0].name)
    return [v for v in volumes if is_prefix(stem(v.description.parts[0].name), own)]
