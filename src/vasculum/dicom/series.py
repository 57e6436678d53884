"""From single files to series: what belongs together, in which order, and what differs (PS3.3 A.1, C.7.3.1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vasculum.model.description import Block, Description, Finding, Part, Voxels
from vasculum.model.kinds import Kind, Severity

from .headers import SeriesHeaders
from .instances import common_findings, identity_of, join_instances, series_attributes
from .stack import Cosines, Plane, Stack, stacks

_P = "1.2.840.10008.5.1.4.1.1."
PROJECTIONS = (_P + "1.", _P + "12.", _P + "481.1.")
"""Radiographs (CR is ``…1.1.1``, DX ``…1.1.1.1``), angiograms, RT images: every image is a view of its own."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A single-frame image on its way into a series."""

    key: str
    item: Description
    plane: Plane
    names: Mapping[str, Hashable]
    """What the label of the plane is made of, for people."""


def assemble_series(items: Mapping[str, Description]) -> list[Description]:
    """Sort DICOM files into series, and series into stacks.

    Parameters
    ----------
    items
        Descriptions of single files by the part names to use.

    Returns
    -------
    list of Description
        Every file is in exactly one of them. Images of one Series Instance UID are split by SOP class, image type,
        echo, size, pixel spacing and orientation; by thickness, acquisition or temporal position where only so the
        slices are evenly spaced; instances that are no images, and multi-frame ones on grids of their own, stand alone.
    """
    by_series: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, item in items.items():
        identity = item.dicom
        uid = identity.series_instance_uid if identity else ""
        by_series[(identity.study_instance_uid if identity and uid else "", uid or f"file {key}")].append(key)
    found: list[Description] = []
    for keys in by_series.values():
        found += _one_series({key: items[key] for key in keys})
    return found


def _one_series(items: Mapping[str, Description]) -> list[Description]:
    headers = SeriesHeaders()
    members: list[_Member] = []
    alone: list[str] = []
    for key, item in items.items():
        json = headers.add(key, item.header)
        if _is_slice(item, json):
            members.append(_member(key, item, json, len(members)))
        else:
            alone.append(key)
    results = [_together(stack, members, headers) for stack in _stacks(members)]
    if len(results) > 1:
        results = _explain_split(results, members)
    return results + join_instances([_renamed(items[key], key) for key in alone], headers)


def _is_slice(item: Description, json: Mapping[str, Any]) -> bool:
    """True for single-frame images that may be slices of something larger."""
    if item.voxels is None or item.kind not in (Kind.VOLUME, Kind.IMAGE) or len(item.voxels.blocks) != 1:
        return False
    if item.dicom is None or (item.dicom.sop_class_uid + ".").startswith(PROJECTIONS):
        return False
    return "52009230" not in json and (item.geometry is None or "00200032" in json)


def _member(key: str, item: Description, json: Mapping[str, Any], index: int) -> _Member:
    voxels, identity = item.voxels, item.dicom
    assert voxels is not None and identity is not None
    rows, columns = voxels.sizes[voxels.axes.index("j")], voxels.sizes[voxels.axes.index("i")]
    names: dict[str, Hashable] = {
        "SOP class": identity.sop_class_uid,
        "image type": tuple(map(str, _values(json, "00080008"))),
        "echo time": _first(json, "00180081") if identity.sop_class_uid == _P + "4" else 0.0,
        "kind of sample": (voxels.dtype.lstrip("<>|"), voxels.axes),
        "mosaic": (key if "MOSAIC" in _values(json, "00080008") else ""),
    }
    plane = Plane(
        index=index,
        rows=rows,
        columns=columns,
        position=_triple(json, "00200032"),
        orientation=_cosines(json),
        spacing=_pair(json, "00280030"),
        thickness=_first(json, "00180050"),
        between=abs(_first(json, "00180088")),
        tilt=_first(json, "00181120"),
        time=_first(json, "00200100") or _first(json, "00181060"),
        acquisition=_first(json, "00200012"),
        number=_first(json, "00200013"),
        label=tuple(names.values()),
    )
    return _Member(key, item, plane, names)


def _values(json: Mapping[str, Any], tag: str) -> list[Any]:
    return list(json.get(tag, {}).get("Value", ()))


def _floats(json: Mapping[str, Any], tag: str, count: int) -> list[float]:
    values = _values(json, tag)
    if len(values) != count or not all(isinstance(v, int | float) for v in values):
        return []
    return [float(v) for v in values]


def _first(json: Mapping[str, Any], tag: str) -> float:
    values = _values(json, tag)
    return float(values[0]) if values and isinstance(values[0], int | float) else 0.0


def _triple(json: Mapping[str, Any], tag: str) -> tuple[float, float, float] | None:
    v = _floats(json, tag, 3)
    return (v[0], v[1], v[2]) if v else None


def _pair(json: Mapping[str, Any], tag: str) -> tuple[float, float] | None:
    v = _floats(json, tag, 2)
    return (v[0], v[1]) if v and min(v) > 0 else None


def _cosines(json: Mapping[str, Any]) -> Cosines | None:
    v = _floats(json, "00200037", 6)
    return (v[0], v[1], v[2], v[3], v[4], v[5]) if v else None


def _stacks(members: Sequence[_Member]) -> list[Stack]:
    """Stacks of each frame of reference by itself: positions of two of them cannot be compared."""
    frames: dict[str, list[Plane]] = defaultdict(list)
    for member in members:
        geometry = member.item.geometry
        frames[geometry.frame_of_reference if geometry else ""].append(member.plane)
    return [stack for frame, planes in frames.items() for stack in stacks(planes, frame)]


def _together(stack: Stack, members: Sequence[_Member], headers: SeriesHeaders) -> Description:
    """Make one description of the files of a stack."""
    chosen = [members[i] for i in stack.indices]
    first = chosen[0].item
    gathered = headers.gather([m.key for m in chosen])
    kind = _kind(first, stack)
    findings = (*common_findings([m.item for m in chosen]), *stack.findings)
    return replace(
        first,
        kind=kind,
        parts=tuple(Part(name=m.key) for m in chosen),
        geometry=stack.geometry,
        voxels=_voxels(stack, chosen),
        attributes=series_attributes(first, gathered),
        findings=findings,
        header=gathered.common_packed,
        differences=gathered.differences_packed,
        instances=tuple(identity_of(m.item) for m in chosen),
    )


def _kind(first: Description, stack: Stack) -> Kind:
    if stack.flat:
        return Kind.IMAGE
    if first.kind == Kind.IMAGE and stack.geometry is not None and stack.geometry.shape[0] > 1:
        return Kind.VOLUME
    return first.kind


def _voxels(stack: Stack, chosen: Sequence[_Member]) -> Voxels:
    """One array of the single frames of many files; rescale that differs between them goes to the blocks."""
    each = [m.item.voxels for m in chosen]
    first = each[0]
    assert first is not None
    times, depth = len(stack.order), len(stack.order[0])
    if stack.flat and stack.geometry is None:
        times, depth = 1, times
    plane_axes = first.axes[first.axes.index("j") :]
    axes = ("t" if times > 1 else "") + "k" + plane_axes
    sizes = ((times,) if times > 1 else ()) + (depth,) + first.sizes[-len(plane_axes) :]
    blocks: list[Block] = []
    for member, voxels in zip(chosen, each, strict=True):
        assert voxels is not None
        differs = voxels.slope != first.slope or voxels.intercept != first.intercept
        slope, intercept = (voxels.slope, voxels.intercept) if differs else (None, None)
        blocks.append(replace(voxels.blocks[0], part=member.key, slope=slope, intercept=intercept))
    raw = all(v is not None and v.encoding == "raw" and v.dtype == first.dtype for v in each)
    return replace(first, axes=axes, sizes=sizes, blocks=tuple(blocks), encoding="raw" if raw else "dicom")


def _explain_split(results: list[Description], members: Sequence[_Member]) -> list[Description]:
    """Say of every stack of a series that there are others, and in what they differ."""
    by_key = {m.key: m for m in members}
    leaders = [by_key[result.parts[0].name] for result in results]
    differing = [n for n in leaders[0].names if n != "mosaic" and len({m.names[n] for m in leaders}) > 1]
    sizes = {(m.plane.rows, m.plane.columns) for m in leaders}
    spacings = {m.plane.spacing and tuple(float(f"{s:.4g}") for s in m.plane.spacing) for m in leaders}
    thicknesses = {m.plane.thickness for m in leaders}
    turns = {m.plane.orientation and tuple(round(c, 3) + 0.0 for c in m.plane.orientation) for m in leaders}
    for name, seen in (
        ("image size", sizes),
        ("pixel spacing", spacings),
        ("thickness", thicknesses),
        ("orientation", turns),
    ):
        if len(seen) > 1:
            differing.append(name)
    if not differing:
        return results
    text = f"The series holds {len(results)} stacks that differ in {', '.join(differing)}; each is kept by itself."
    finding = Finding(code="mixed-series", text=text, severity=Severity.NOTE)
    return [
        r if any(f.code == "mixed-series" for f in r.findings) else replace(r, findings=(*r.findings, finding))
        for r in results
    ]


def _renamed(item: Description, key: str) -> Description:
    """Use the part name of the caller."""
    voxels = item.voxels
    if voxels is not None:
        voxels = replace(voxels, blocks=tuple(replace(b, part=key) for b in voxels.blocks))
    parts = (replace(item.parts[0], name=key), *item.parts[1:])
    instances = item.instances or ((item.dicom,) if item.dicom else ())
    return replace(item, parts=parts, voxels=voxels, instances=instances)
