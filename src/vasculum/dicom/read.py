"""What one DICOM file holds."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vasculum.errors import Unreadable, VasculumError
from vasculum.model.description import Block, Description, DicomIdentity, Finding, Part, Voxels
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind, Severity

from .attributes import flatten
from .fields import Fields
from .frames import Encapsulated, PixelLayout, encapsulated_frames, pixel_layout
from .functional_groups import FrameValues, cosines, frame_planes, frame_values, pixel_spacing
from .json import header_json, pack_json
from .pixel_source import open_pixels
from .stack import Plane, Stack, stacks
from .tables import SECONDARY_CAPTURE, is_image, kind_of
from .walk import Header, read_header


def describe_file(path: Path) -> Description:
    """Describe one DICOM file.

    Raises
    ------
    Unreadable
        Nothing in it can be read, or it breaks a limit (nesting, inflated size).
    """
    try:
        return describe_header(read_header(path), path)
    except (ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, struct.error) as error:
        raise Unreadable(f"the header makes no sense ({type(error).__name__})") from error
    except ValueError as error:
        if isinstance(error, VasculumError):
            raise
        raise Unreadable(f"the header makes no sense ({type(error).__name__})") from error


def describe_header(header: Header, path: Path) -> Description:
    """Describe a file whose header was read."""
    from .derived import describe_derived, is_segmentation

    fields = Fields.of(header)
    layout = pixel_layout(header)
    identity = identity_of(fields, header)
    kind = kind_of(identity.sop_class_uid, header.pixels is not None and layout is not None)
    findings = _findings(header, fields, identity, layout)
    json = header_json(header)
    meta = header_json(Header(header.meta, header.meta, "", True))
    description = Description(
        format="dicom",
        kind=kind,
        parts=(Part(name=path.name),),
        title=title_of(fields),
        modality=fields.text(0x00080060),
        attributes=flatten((meta, json)),
        findings=tuple(findings),
        dicom=identity,
        header=pack_json(json),
        instances=(identity,),
    )
    if layout is not None and is_segmentation(identity.sop_class_uid):
        findings += _pixel_state(header, layout, path)[1]
        description = replace(description, findings=tuple(findings))
    elif layout is not None:
        description = _with_pixels(description, header, fields, layout, path)
    return describe_derived(description, header, fields, layout, path)


def identity_of(fields: Fields, header: Header) -> DicomIdentity:
    """Give the identifiers of an instance; empty where it has none."""
    meta = Fields(header.meta)
    return DicomIdentity(
        sop_class_uid=fields.text(0x00080016) or meta.text(0x00020002),
        sop_instance_uid=fields.text(0x00080018) or meta.text(0x00020003),
        study_instance_uid=fields.text(0x0020000D),
        series_instance_uid=fields.text(0x0020000E),
        transfer_syntax_uid=header.transfer_syntax,
        patient_id=(fields.texts(0x00100020) or ("",))[0] if len(fields.texts(0x00100020)) < 2 else _whole(fields),
        issuer_of_patient_id=fields.text(0x00100021),
    )


def _whole(fields: Fields) -> str:
    """A Patient ID with a backslash in it is one id all the same."""
    return "\\".join(fields.texts(0x00100020))


def title_of(fields: Fields) -> str:
    """Give a short name of the series: its description, or its protocol, or what it is and its number."""
    for tag in (0x0008103E, 0x00181030, 0x00420010, 0x00700080):
        if fields.text(tag):
            return fields.text(tag)
    number = fields.text(0x00200011)
    return " ".join(part for part in (fields.text(0x00080060), f"series {number}" if number else "") if part)


def _findings(header: Header, fields: Fields, identity: DicomIdentity, layout: PixelLayout | None) -> list[Finding]:
    found = [_fault(text) for text in header.faults]
    if not identity.sop_instance_uid:
        text = "The file has no SOP Instance UID; it is known by its content only."
        found.append(Finding(code="no-sop-instance-uid", text=text))
    if not identity.series_instance_uid and 0x00041220 not in fields:
        found.append(Finding(code="no-series-uid", text="The file has no Series Instance UID; it stands alone."))
    declared = Fields(header.meta).text(0x00020003)
    if declared and fields.text(0x00080018) and declared != fields.text(0x00080018):
        text = "The SOP Instance UIDs of the file meta information and of the data set differ; the data set counts."
        found.append(Finding(code="meta-mismatch", text=text, severity=Severity.NOTE))
    if header.pixels is not None and layout is None:
        text = "There is pixel data, but rows, columns or bits make no sense; the pixels are not read."
        found.append(Finding(code="bad-pixel-description", text=text, severity=Severity.ERROR))
    if header.pixels is None and is_image(identity.sop_class_uid):
        text = "This is an image without pixel data."
        found.append(Finding(code="no-pixel-data", text=text, severity=Severity.ERROR))
    if "MOSAIC" in fields.texts(0x00080008) and layout is not None and layout.frames == 1:
        text = "This is a mosaic: the slices of a volume side by side in one picture; they are not taken apart."
        found.append(Finding(code="mosaic", text=text))
    if 0x00283000 in fields and layout is not None:
        text = "The modality look-up table is not applied; values are as stored."
        found.append(Finding(code="modality-lut", text=text, severity=Severity.NOTE))
    return found


def _fault(text: str) -> Finding:
    breaks = "breaks off" in text
    code = "damaged-header" if breaks else "odd-encoding"
    severity = Severity.ERROR if breaks else Severity.WARNING
    return Finding(code=code, text=f"{text[0].upper()}{text[1:]}.", severity=severity)


def _with_pixels(
    description: Description, header: Header, fields: Fields, layout: PixelLayout, path: Path
) -> Description:
    encapsulated, more = _pixel_state(header, layout, path)
    findings = [*description.findings, *more]
    sop_class = description.dicom.sop_class_uid if description.dicom else ""
    planes = frame_planes(fields, layout.rows, layout.columns, layout.frames, sop_class)
    if layout.frames == 1 and not planes:
        planes = [single_plane(fields, layout)]
    stack, more = _whole_stack(planes, layout.frames, fields.text(0x00200052))
    findings += more
    values = [FrameValues()] if layout.color else frame_values(fields, layout.frames)  # PS3.3 C.11.1: monochrome only
    voxels = make_voxels(description.parts[0].name, layout, stack, values, encapsulated, header.inflated)
    if any(f.code == "mosaic" for f in findings):
        stack = Stack(((0,),), flat=True)  # the position in the header is not that of a slice of this size
    kind = _kind(description.kind, sop_class, stack)
    if kind == Kind.VOLUME and stack.geometry is None:
        kind = Kind.IMAGE
    if kind == Kind.IMAGE and description.kind == Kind.VOLUME and not any(f.code == "mosaic" for f in findings):
        text = "The images have no position in space; they are kept as pictures."
        findings.append(Finding(code="no-position", text=text))
    unit = values[0].unit or fields.text(0x00541001) or ("HU" if description.modality == "CT" else "")
    return replace(
        description,
        kind=kind,
        geometry=stack.geometry,
        voxels=replace(voxels, unit=unit),
        findings=tuple(findings),
    )


def _pixel_state(header: Header, layout: PixelLayout, path: Path) -> tuple[Encapsulated | None, list[Finding]]:
    """Find the fragments of encapsulated pixels, and whether all pixels are there."""
    with open_pixels(path, header) as source:
        encapsulated = None if layout.native else encapsulated_frames(source, layout)
        size = source.size if source.exact else None
    return encapsulated, _pixel_findings(layout, encapsulated, size)


def _kind(kind: Kind, sop_class: str, stack: Stack) -> Kind:
    """A secondary capture whose frames lie on a grid is a volume all the same."""
    if kind == Kind.IMAGE and sop_class.startswith(SECONDARY_CAPTURE) and stack.geometry is not None:
        return Kind.VOLUME if stack.geometry.shape[0] > 1 else kind
    return kind


def _pixel_findings(layout: PixelLayout, encapsulated: Encapsulated | None, size: int | None) -> list[Finding]:
    if encapsulated is not None:
        if encapsulated.complete:
            return []
        whole = len(encapsulated.frames)
        text = (
            f"The pixel data break off: {whole} of {layout.declared_frames} frames begin, the last may not be whole."
        )
        return [Finding(code="truncated-pixel-data", text=text, severity=Severity.ERROR)]
    needed = (layout.frame_bits * layout.declared_frames + 7) // 8
    there = layout.length if size is None else min(layout.length, max(0, size - layout.offset))
    if there >= needed:
        return []
    text = f"The pixel data have {there} of {needed} bytes."
    return [Finding(code="truncated-pixel-data", text=text, severity=Severity.ERROR)]


def single_plane(fields: Fields, layout: PixelLayout) -> Plane:
    """Give the plane of a single-frame image (PS3.3 C.7.6.2)."""
    return Plane(
        index=0,
        rows=layout.rows,
        columns=layout.columns,
        position=fields.vector(0x00200032),
        orientation=cosines(fields),
        spacing=pixel_spacing(fields),
        thickness=fields.number(0x00180050) or 0.0,
        between=abs(fields.number(0x00180088) or 0.0),
        tilt=fields.number(0x00181120) or 0.0,
    )


def _whole_stack(planes: Sequence[Plane], frames: int, frame_of_reference: str) -> tuple[Stack, list[Finding]]:
    """Make one stack of all frames of a file: they cannot be parted, but it can be said that they should."""
    if len(planes) != frames:
        return Stack(tuple((n,) for n in range(frames)), flat=True), []
    found = stacks(planes, frame_of_reference)
    if len(found) == 1:
        return found[0], list(found[0].findings)
    placed = [s for s in found if s.geometry is not None and not s.flat]
    same = len(placed) == len(found) and all(
        s.geometry is not None and placed[0].geometry is not None and s.geometry.same_grid(placed[0].geometry)
        for s in placed
    )
    if same:  # several contrasts of one grid: echoes, phases, maps
        order = tuple(row for s in found for row in s.order)
        return Stack(order, placed[0].geometry, placed[0].findings), list(placed[0].findings)
    text = f"The file holds {len(found)} stacks of different place, orientation or spacing in {frames} frames."
    finding = Finding(code="mixed-series", text=text)
    if not placed:
        return Stack(tuple((n,) for n in range(frames)), flat=True), [finding]
    first = placed[0].geometry
    assert first is not None
    shape = (frames, first.shape[1], first.shape[2])
    geometry = Geometry.from_affine(first.affine, shape, frame_of_reference=frame_of_reference, irregular=text)
    return Stack((tuple(range(frames)),), geometry), [finding]


def make_voxels(
    part: str,
    layout: PixelLayout,
    stack: Stack,
    values: Sequence[FrameValues],
    encapsulated: Encapsulated | None,
    inflated: bool,
) -> Voxels:
    """Say how the frames of one file become an array."""
    times, depth = len(stack.order), len(stack.order[0])
    if stack.flat:
        times, depth = (1, times) if stack.geometry is None else (times, 1)
    channels = ("c", (4 if layout.samples == 4 else 3,)) if layout.color else ("", ())
    axes = ("t" if times > 1 else "") + "kji" + channels[0]
    sizes = ((times,) if times > 1 else ()) + (depth, layout.rows, layout.columns) + channels[1]
    raw = layout.native and not inflated and layout.frame_bits % 8 == 0 and not _needs_decoding(layout)
    base = values[0]
    blocks = tuple(
        _block(part, layout, n, raw, encapsulated, values[n] if len(values) > 1 else base, base)
        for n in stack.indices
    )
    return Voxels(
        dtype=layout.dtype,
        axes=axes,
        sizes=sizes,
        encoding="raw" if raw else "dicom",
        blocks=blocks,
        slope=base.slope,
        intercept=base.intercept,
    )


def _needs_decoding(layout: PixelLayout) -> bool:
    """True where native bytes are not yet the samples: colour planes, palettes, shared chrominance, single bits."""
    plain_color = layout.photometric == "RGB" and layout.planar == 0 and layout.samples == 3
    return layout.bits_allocated == 1 or layout.swapped or (layout.color and not plain_color)


def _block(
    part: str,
    layout: PixelLayout,
    frame: int,
    raw: bool,
    encapsulated: Encapsulated | None,
    values: FrameValues,
    base: FrameValues,
) -> Block:
    offset, length = 0, None
    if raw:
        offset, length = layout.offset + frame * layout.frame_bytes, layout.frame_bytes
    elif encapsulated is not None and frame < len(encapsulated.frames):
        first, last = encapsulated.frames[frame][0], encapsulated.frames[frame][-1]
        offset = encapsulated.fragments[first][0]
        length = sum(encapsulated.fragments[last]) - offset
    differs = values.slope != base.slope or values.intercept != base.intercept
    return Block(
        part=part,
        offset=offset,
        length=length,
        frame=frame,
        slope=values.slope if differs else None,
        intercept=values.intercept if differs else None,
    )
