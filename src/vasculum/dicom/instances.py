"""Multi-frame instances that are pieces of one array: time points on one grid, slabs of a concatenation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vasculum.model.description import Block, Description, DicomIdentity, Finding
from vasculum.model.geometry import AFFINE_TOLERANCE_MM, Geometry
from vasculum.model.kinds import Kind

from .attributes import flatten
from .headers import Gathered, SeriesHeaders


def series_attributes(first: Description, gathered: Gathered) -> dict[str, Any]:
    """Give the attributes of a series: what its instances share, and up to a limit the different values."""
    meta = {"00020010": {"vr": "UI", "Value": [first.dicom.transfer_syntax_uid if first.dicom else ""]}}
    return dict(flatten((meta, gathered.common, *gathered.differences)))


def identity_of(item: Description) -> DicomIdentity:
    """Give the identity of an instance."""
    assert item.dicom is not None
    return item.dicom


def common_findings(items: Sequence[Description]) -> tuple[Finding, ...]:
    """Findings of single files, each said once, with the number of files. What one slice says of itself is dropped."""
    counts: dict[str, int] = defaultdict(int)
    first: dict[str, Finding] = {}
    for item in items:
        for finding in item.findings:
            if finding.code == "single-slice" or (finding.code == "no-position" and len(items) > 1):
                continue
            counts[finding.code] += 1
            first.setdefault(finding.code, finding)
    many = len(items) > 1
    return tuple(
        replace(f, text=f"{f.text} ({counts[code]} of {len(items)} files)") if many else f
        for code, f in first.items()
    )


def join_instances(alone: list[Description], headers: SeriesHeaders) -> list[Description]:
    """Multi-frame instances on one and the same grid are the time points of one array."""
    groups: dict[Hashable, list[Description]] = defaultdict(list)
    for n, item in enumerate(_slabs_joined(alone, headers)):
        groups[_grid_key(item, n)].append(item)
    return [group[0] if len(group) == 1 else _in_time(group, headers) for group in groups.values()]


def _slabs_joined(items: Sequence[Description], headers: SeriesHeaders) -> list[Description]:
    """Join the parts of every concatenation (PS3.3 C.7.6.16.2.2.4) that is whole and lies on one grid."""
    slabs: dict[str, list[Description]] = defaultdict(list)
    rest: list[Description] = []
    for item in items:
        uid = _text(item, "ConcatenationUID")
        (slabs[uid] if uid and item.geometry is not None and item.voxels is not None else rest).append(item)
    for group in slabs.values():
        group.sort(key=lambda item: _as_float(item.attributes.get("ConcatenationFrameOffsetNumber", ())))
        rest += [_end_to_end(group, headers)] if _continues(group) else group
    return rest


def _continues(group: Sequence[Description]) -> bool:
    """True where each slab begins where the one before it ends."""
    total = _as_float(group[0].attributes.get("InConcatenationTotalNumber", ()))
    if len(group) < 2 or (total and total != len(group)):
        return False
    first, depth = group[0].geometry, 0
    for item in group:
        grid, voxels = item.geometry, item.voxels
        if first is None or grid is None or voxels is None or not grid.regular or voxels.axes[0] == "t":
            return False
        expected = first.affine @ np.array([0, 0, depth, 1])
        if float(np.abs(grid.affine[:, 3] - expected).max()) > 100 * AFFINE_TOLERANCE_MM:
            return False
        if grid.shape[1:] != first.shape[1:] or not np.allclose(grid.affine[:3, :3], first.affine[:3, :3], atol=1e-4):
            return False
        depth += grid.shape[0]
    return True


def _end_to_end(group: Sequence[Description], headers: SeriesHeaders) -> Description:
    first = group[0]
    assert first.geometry is not None and first.voxels is not None
    depth = sum(item.geometry.shape[0] for item in group if item.geometry is not None)
    shape = (depth, *first.geometry.shape[1:])
    geometry = Geometry.from_affine(
        first.geometry.affine, shape, frame_of_reference=first.geometry.frame_of_reference
    )
    return _as_one(group, headers, first.voxels.axes, (depth, *first.voxels.sizes[1:]), geometry)


def _grid_key(item: Description, number: int) -> Hashable:
    geometry, voxels = item.geometry, item.voxels
    if item.kind != Kind.VOLUME or geometry is None or voxels is None or voxels.axes not in ("kji", "kjic"):
        return number
    if not geometry.regular or len(voxels.blocks) < 2 or item.dicom is None or item.modality == "RTDOSE":
        return number
    corners = tuple(float(v) for v in (geometry.corners().round(2) + 0.0).ravel())
    types = tuple(str(v) for v in item.attributes.get("ImageType", ()))
    echo = item.attributes.get(
        "SharedFunctionalGroupsSequence.MREchoSequence.EffectiveEchoTime"
    ) or item.attributes.get("PerFrameFunctionalGroupsSequence.MREchoSequence.EffectiveEchoTime")
    return item.dicom.sop_class_uid, voxels.sizes, voxels.dtype, voxels.axes, corners, types, echo


def _in_time(group: list[Description], headers: SeriesHeaders) -> Description:
    ordered = sorted(group, key=_when)
    first = ordered[0]
    assert first.voxels is not None
    return _as_one(ordered, headers, "t" + first.voxels.axes, (len(ordered), *first.voxels.sizes), first.geometry)


def _as_one(
    ordered: Sequence[Description],
    headers: SeriesHeaders,
    axes: str,
    sizes: tuple[int, ...],
    geometry: Geometry | None,
) -> Description:
    """Make one description of instances, their frames one after the other."""
    first = ordered[0]
    assert first.voxels is not None
    blocks: list[Block] = []
    for item in ordered:
        voxels = item.voxels
        assert voxels is not None
        same = voxels.slope == first.voxels.slope and voxels.intercept == first.voxels.intercept
        for block in voxels.blocks:
            if not same and block.slope is None:
                block = replace(block, slope=voxels.slope, intercept=voxels.intercept)
            blocks.append(block)
    raw = all(item.voxels is not None and item.voxels.encoding == "raw" for item in ordered)
    gathered = headers.gather([item.parts[0].name for item in ordered])
    return replace(
        first,
        parts=tuple(item.parts[0] for item in ordered),
        geometry=geometry,
        voxels=replace(
            first.voxels, axes=axes, sizes=sizes, blocks=tuple(blocks), encoding="raw" if raw else "dicom"
        ),
        attributes=series_attributes(first, gathered),
        findings=common_findings(ordered),
        header=gathered.common_packed,
        differences=gathered.differences_packed,
        instances=tuple(identity_of(item) for item in ordered),
    )


def _when(item: Description) -> tuple[float, str, float]:
    acquisition = item.attributes.get("AcquisitionNumber", ())
    moment = item.attributes.get("AcquisitionDateTime", ())
    number = item.attributes.get("InstanceNumber", ())
    return (_as_float(acquisition), str(moment[0]) if moment else "", _as_float(number))


def _as_float(values: Sequence[object]) -> float:
    return float(values[0]) if values and isinstance(values[0], int | float) else 0.0


def _text(item: Description, name: str) -> str:
    values = item.attributes.get(name, ())
    return str(values[0]) if values else ""
