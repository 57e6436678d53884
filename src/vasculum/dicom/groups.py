"""Functional groups and modules that our multi-frame objects share (PS3.3 C.7.6.16, C.7.6.17)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from vasculum.model.codes import Code
from vasculum.model.description import Attributes
from vasculum.model.geometry import Geometry

from .elements import code_item, decimal_string, decimal_strings, fit_text, item
from .uids import sound_uid, uid_from

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

WHOLE_BODY = Code("38266002", "SCT", "Entire body")
"""Said of frames whose anatomy nobody stated."""

MAKER = "vasculum"


def own_version() -> str:
    """Give the version of this software as it is written into headers."""
    try:
        return fit_text("LO", version("vasculum"))
    except PackageNotFoundError:
        return "0"


_EQUIPMENT = ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions")


def general_modules(
    ds: Dataset,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    series_uid: str,
    series_number: int,
    label: str,
    modality: str,
    when: datetime,
) -> None:
    """Set General Series, SOP Common and the content date of a new object."""
    ds.SOPClassUID = sop_class_uid
    ds.SOPInstanceUID = sop_instance_uid
    ds.SeriesInstanceUID = series_uid
    ds.SeriesNumber = series_number
    ds.InstanceNumber = 1
    ds.Modality = modality
    if label:
        ds.SeriesDescription = fit_text("LO", label)
    ds.ContentDate = when.strftime("%Y%m%d")
    ds.ContentTime = when.strftime("%H%M%S")


def equipment(ds: Dataset, attributes: Attributes) -> None:
    """Set Enhanced General Equipment (type 1 in every Enhanced IOD): the scanner where it is known, else ourselves."""
    fallback = dict(zip(_EQUIPMENT, (MAKER, MAKER, "0", own_version()), strict=True))
    known = first_text(attributes, "Manufacturer") != ""
    for keyword in _EQUIPMENT:
        text = fit_text("LO", first_text(attributes, keyword))
        setattr(ds, keyword, text or ("unknown" if known else fallback[keyword]))


def conversion_equipment(ds: Dataset, when: datetime) -> None:
    """Say that we made this multi-frame object from others (Contributing Equipment, PS3.3 C.12.1)."""
    purpose = Code("109106", "DCM", "Enhanced Multi-frame Conversion Equipment")
    entry = item(
        PurposeOfReferenceCodeSequence=[code_item(purpose)],
        Manufacturer=MAKER,
        ManufacturerModelName=MAKER,
        SoftwareVersions=own_version(),
        ContributionDateTime=when.strftime("%Y%m%d%H%M%S"),
    )
    ds.ContributingEquipmentSequence = [*ds.get("ContributingEquipmentSequence", []), entry]


def first_text(attributes: Attributes, keyword: str) -> str:
    """Give the first value of an attribute as text, or an empty text."""
    values = attributes.get(keyword) or ("",)
    return str(values[0]).strip()


def frame_of_reference(ds: Dataset, uid: str) -> None:
    """Set the Frame of Reference module; a UID that no reader would take is replaced by one derived from it."""
    ds.FrameOfReferenceUID = sound_uid(uid, "frame-of-reference")
    ds.setdefault("PositionReferenceIndicator", "")


def frame_of_reference_of(geometry: Geometry, series_uid: str) -> str:
    """Give the frame of reference of a grid, or one of its own where none is known."""
    return geometry.frame_of_reference or uid_from("frame-of-reference", series_uid)


def plane_groups(ds: Dataset, geometry: Geometry) -> None:
    """Set shared and per-frame groups that place frames in LPS millimetres: one frame per slice, in k order.

    Positions follow the affine, so that a sheared grid (gantry tilt) keeps its true positions. Spacing Between Slices
    is measured along the normal, as C.7.6.2.1.1 asks; rows run along i, columns along j.
    """
    direction = np.asarray(geometry.direction)
    normal = np.cross(direction[:, 0], direction[:, 1])
    normal /= np.linalg.norm(normal)
    between = abs(float(normal @ geometry.affine[:3, 2]))
    measures = item(
        PixelSpacing=decimal_strings((geometry.spacing[1], geometry.spacing[0])),
        SliceThickness=decimal_string(between),
        SpacingBetweenSlices=decimal_string(between),
    )
    cosines = item(ImageOrientationPatient=decimal_strings((*direction[:, 0], *direction[:, 1])))
    ds.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[cosines])]
    origin, step = geometry.affine[:3, 3], geometry.affine[:3, 2]
    ds.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=decimal_strings(origin + k * step))])
        for k in range(geometry.shape[0])
    ]


def stack_dimensions(ds: Dataset, geometry: Geometry) -> None:
    """Order the frames as one stack: Stack ID and In-Stack Position Number (C.7.6.16.2.2)."""
    _dimensions(
        ds, geometry, (("StackID", "FrameContentSequence"), ("InStackPositionNumber", "FrameContentSequence"))
    )
    for k, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
        content = item(StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=[1, k + 1])
        frame.FrameContentSequence = [content]


def position_dimensions(ds: Dataset, geometry: Geometry) -> None:
    """Order the frames by Image Position (Patient), as segmentations are."""
    _dimensions(ds, geometry, (("ImagePositionPatient", "PlanePositionSequence"),))
    for k, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence = [item(DimensionIndexValues=[k + 1])]


def _dimensions(ds: Dataset, geometry: Geometry, pointers: Sequence[tuple[str, str]]) -> None:
    from pydicom.datadict import tag_for_keyword

    uid = uid_from("dimensions", str(ds.SOPInstanceUID))
    ds.DimensionOrganizationSequence = [item(DimensionOrganizationUID=uid)]
    if geometry.regular:
        ds.DimensionOrganizationType = "3D"
    ds.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=tag_for_keyword(pointer),
            FunctionalGroupPointer=tag_for_keyword(group),
        )
        for pointer, group in pointers
    ]


def pixel_module(ds: Dataset, geometry: Geometry, dtype: np.dtype[Any], samples: int = 1) -> None:
    """Set Image Pixel for whole-width integers (high bits are never used for anything else), or for floats."""
    ds.NumberOfFrames, ds.Rows, ds.Columns = geometry.shape
    ds.SamplesPerPixel = samples
    ds.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    if samples == 3:
        ds.PlanarConfiguration = 0
    bits = dtype.itemsize * 8
    ds.BitsAllocated = bits
    if dtype.kind == "f":
        return
    ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(dtype.kind == "i")
