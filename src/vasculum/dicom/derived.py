"""What was made from images: segmentations, reports, structure sets, directories; and what each refers to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vasculum.model.description import Description, Finding, Reference, Segment
from vasculum.model.kinds import Kind, Severity

from .fields import Fields
from .fileset_read import listed_files
from .frames import PixelLayout
from .reports import fiducials_of, landmarks_of
from .segments import describe_segmentation
from .tables import DIRECTORY, LABEL_MAP_SEGMENTATION, SEGMENTATION, STRUCTURE_SET, STRUCTURED_REPORTS
from .walk import Header

MAX_INSTANCE_REFERENCES = 256


def is_segmentation(sop_class_uid: str) -> bool:
    """True for segmentation objects whose pixels are segments."""
    return sop_class_uid in (SEGMENTATION, LABEL_MAP_SEGMENTATION)


def describe_derived(
    description: Description, header: Header, fields: Fields, layout: PixelLayout | None, path: Path
) -> Description:
    """Complete the description of an instance that is derived from others."""
    sop_class = description.dicom.sop_class_uid if description.dicom else ""
    if 0x00041220 in fields or sop_class == DIRECTORY:
        references, findings = listed_files(fields, path.parent)
        return replace(
            description, kind=Kind.DOCUMENT, references=references, findings=description.findings + findings
        )
    if description.kind in (Kind.VOLUME, Kind.IMAGE):
        return replace(description, references=_sources(fields))
    description = replace(description, references=_referenced(fields))
    if is_segmentation(sop_class) and layout is not None:
        return describe_segmentation(description, header, fields, layout, path)
    if sop_class == STRUCTURE_SET:
        return _structure_set(description, fields)
    if sop_class.startswith(STRUCTURED_REPORTS):
        landmarks, frames = landmarks_of(fields)
        return replace(description, landmarks=landmarks, references=description.references + frames)
    if description.kind == Kind.LANDMARKS:
        return replace(description, landmarks=fiducials_of(fields))
    return description


def _sources(fields: Fields) -> tuple[Reference, ...]:
    """Images that a derived image was made from: Source Image Sequence (PS3.3 C.12.4.1)."""
    uids = dict.fromkeys(item.text(0x00081155) for item in fields.items(0x00082112))
    plans = dict.fromkeys(item.text(0x00081155) for item in fields.items(0x300C0002))
    named = [uid for uid in (*uids, *plans) if uid][:MAX_INSTANCE_REFERENCES]
    return tuple(Reference(target=uid, how="instance-uid", role="source-image") for uid in named)


def _referenced(fields: Fields) -> tuple[Reference, ...]:
    """Series that are named anywhere below the top level; where there are none, instances."""
    series: dict[str, None] = {}
    instances: dict[str, None] = {}
    for item in fields.walk():
        if item is fields:
            continue
        if 0x0020000E in item:
            series[item.text(0x0020000E)] = None
        if 0x00081155 in item and len(instances) < MAX_INSTANCE_REFERENCES:
            instances[item.text(0x00081155)] = None
    how, named = ("series-uid", series) if any(series) else ("instance-uid", instances)
    return tuple(Reference(target=uid, how=how, role="source-image") for uid in named if uid)


def _structure_set(description: Description, fields: Fields) -> Description:
    """Regions of interest as segments (PS3.3 C.8.8.5, C.8.8.6); contours stay contours."""
    colors = {item.integer(0x30060084): item.floats(0x3006002A, 3) for item in fields.items(0x30060039)}
    types = {item.integer(0x30060084): item.text(0x300600A4) for item in fields.items(0x30060080)}
    segments = []
    for position, item in enumerate(fields.items(0x30060020), 1):
        number = item.integer(0x30060022, position)
        rgb = colors.get(number)
        kind = types.get(number, "")
        segments.append(
            Segment(
                number=number,
                name=item.text(0x30060026) or f"ROI {number}",
                label_value=number,
                color=(rgb[0] / 255, rgb[1] / 255, rgb[2] / 255) if rgb else None,
                tags={"RTROIInterpretedType": kind} if kind else {},
            )
        )
    frames = dict.fromkeys(item.text(0x00200052) for item in fields.items(0x30060010))
    more = tuple(Reference(target=f, how="frame-of-reference") for f in frames if f)
    text = "The contours are kept as they are; they are not turned into voxels."
    finding = Finding(code="contours", text=text, severity=Severity.NOTE)
    return replace(
        description,
        segments=tuple(segments),
        references=description.references + more,
        findings=(*description.findings, finding),
    )
