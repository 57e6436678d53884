"""Write a label map as a DICOM Label Map Segmentation (Supplement 243; PS3.3 A.90).

Pixel values are segment numbers and the frames keep the order in which they are given, so that a ``.seg.nhdr`` can
point at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Invalid
from vasculum.model.codes import Code
from vasculum.model.description import Segment
from vasculum.model.geometry import Geometry

from .color import cielab
from .elements import code_item, fit_text, item
from .groups import (
    equipment,
    frame_of_reference,
    frame_of_reference_of,
    general_modules,
    pixel_module,
    plane_groups,
    position_dimensions,
)
from .subject import Context, apply_subject
from .uids import uid_from
from .write import Written, write_streamed

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

LABELMAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"

_BACKGROUND = Code("125040", "DCM", "Background")
_CATEGORY = Code("91723000", "SCT", "Anatomical Structure")
_TYPE = Code("85756007", "SCT", "Tissue")
_SEGMENTATION = Code("113076", "DCM", "Segmentation")
_PURPOSE = Code("121322", "DCM", "Source image for image processing operation")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """The image that was segmented."""

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    frame_of_reference: str = ""
    geometry: Geometry | None = None
    """Of the image; where the segmentation lies on the same grid, each of its frames names its own source frame."""

    @classmethod
    def of(cls, written: Written, geometry: Geometry | None = None) -> SourceImage:
        """Refer to an image that was just written."""
        return cls(
            sop_class_uid=written.sop_class_uid,
            sop_instance_uid=written.sop_instance_uid,
            series_uid=written.series_uid,
            frame_of_reference=written.frame_of_reference,
            geometry=geometry,
        )


def write_labelmap(
    path: Path,
    slabs: Iterable[NDArray[Any]],
    *,
    geometry: Geometry,
    dtype: np.dtype[Any],
    segments: Sequence[Segment],
    context: Context,
    series_uid: str,
    series_number: int,
    label: str,
    sop_instance_uid: str,
    source: SourceImage | None,
    when: datetime,
) -> Written:
    """Write a label map; 0 is background, other values are those of `Segment.label_value`.

    Parameters
    ----------
    slabs
        Labels, shape (n, j, i), in k order.
    geometry
        Right-handed, LPS millimetres.
    dtype
        ``u1`` or ``u2``.
    source
        The segmented image, whose frame of reference is taken; None where it is unknown.

    Raises
    ------
    Invalid
        Another type, a left-handed geometry, or two segments with one label value (they would overlap).
    """
    stored = np.dtype(dtype)
    if stored.kind != "u" or stored.itemsize > 2:
        raise Invalid("a label map holds uint8 or uint16", hint="convert the labels")
    if not geometry.right_handed:
        raise Invalid("frames must be in right-handed order", hint="reverse k, and its direction in the geometry")
    values = [s.label_value for s in segments]
    if len(set(values)) < len(values) or any(not 0 < v <= np.iinfo(stored).max for v in values):
        raise Invalid(
            "each segment of a label map needs a label value of its own, above 0",
            hint="layers that overlap stay .seg.nrrd",
        )
    ds = _dataset(geometry, stored, segments, series_uid, series_number, label, sop_instance_uid, source, when)
    apply_subject(ds, context, {"label": label, "uid": series_uid})
    return write_streamed(path, ds, slabs, dtype=stored, frame_shape=geometry.shape[1:], frames=geometry.shape[0])


def _dataset(
    geometry: Geometry,
    dtype: np.dtype[Any],
    segments: Sequence[Segment],
    series_uid: str,
    series_number: int,
    label: str,
    sop_instance_uid: str,
    source: SourceImage | None,
    when: datetime,
) -> Dataset:
    from pydicom.dataset import Dataset

    ds = Dataset()
    general_modules(
        ds,
        sop_class_uid=LABELMAP_SEGMENTATION,
        sop_instance_uid=sop_instance_uid,
        series_uid=series_uid,
        series_number=series_number,
        label=label,
        modality="SEG",
        when=when,
    )
    equipment(ds, {})
    given = source.frame_of_reference if source else ""
    frame_of_reference(ds, given or frame_of_reference_of(geometry, series_uid))
    plane_groups(ds, geometry)
    position_dimensions(ds, geometry)
    pixel_module(ds, geometry, dtype)
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.LossyImageCompression = "00"
    ds.PresentationLUTShape = "IDENTITY"
    ds.PixelPaddingValue = 0
    ds.ContentLabel = "SEGMENTATION"
    ds.ContentDescription = fit_text("LO", label)
    ds.ContentCreatorName = ""
    ds.SegmentationType = "LABELMAP"
    ds.SegmentsOverlap = "NO"
    ds.SegmentSequence = [_background(), *(_segment(s, series_uid) for s in sorted(segments, key=_by_value))]
    if source:
        _refer(ds, source, geometry)
    return ds


def _by_value(segment: Segment) -> int:
    return segment.label_value


def _background() -> Dataset:
    return item(
        SegmentNumber=0,
        SegmentLabel="Background",
        SegmentAlgorithmType="MANUAL",
        RecommendedDisplayCIELabValue=list(cielab((0.0, 0.0, 0.0))),
        SegmentedPropertyCategoryCodeSequence=[code_item(_BACKGROUND)],
        SegmentedPropertyTypeCodeSequence=[code_item(_BACKGROUND)],
    )


def _segment(segment: Segment, series_uid: str) -> Dataset:
    """One item of the Segment Sequence (C.8.20.4); what Slicer calls the segment's ID becomes the Tracking ID."""
    kind = code_item(segment.type or _TYPE)
    if segment.modifier:
        kind.SegmentedPropertyTypeModifierCodeSequence = [code_item(segment.modifier)]
    tracking = segment.id or segment.name
    entry = item(
        SegmentNumber=segment.label_value,
        SegmentLabel=fit_text("LO", segment.name) or f"Segment {segment.number}",
        SegmentAlgorithmType="MANUAL",
        SegmentedPropertyCategoryCodeSequence=[code_item(segment.category or _CATEGORY)],
        SegmentedPropertyTypeCodeSequence=[kind],
        TrackingID=fit_text("UT", tracking) or str(segment.number),
        TrackingUID=uid_from("segment", series_uid, tracking, str(segment.label_value)),
    )
    if segment.region:
        entry.AnatomicRegionSequence = [code_item(segment.region)]
    if segment.color:
        entry.RecommendedDisplayCIELabValue = list(cielab(segment.color))
    return entry


def _refer(ds: Dataset, source: SourceImage, geometry: Geometry) -> None:
    """Name the segmented image: at the top, and frame for frame where the grids are the same."""
    reference = item(ReferencedSOPClassUID=source.sop_class_uid, ReferencedSOPInstanceUID=source.sop_instance_uid)
    ds.ReferencedSeriesSequence = [item(SeriesInstanceUID=source.series_uid, ReferencedInstanceSequence=[reference])]
    same = source.geometry is not None and source.geometry.same_grid(geometry)
    if not same:
        ds.SharedFunctionalGroupsSequence[0].DerivationImageSequence = [_derivation(source, None)]
        return
    for k, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
        frame.DerivationImageSequence = [_derivation(source, k + 1)]


def _derivation(source: SourceImage, frame: int | None) -> Dataset:
    image = item(
        ReferencedSOPClassUID=source.sop_class_uid,
        ReferencedSOPInstanceUID=source.sop_instance_uid,
        ReferencedFrameNumber=frame,
        SpatialLocationsPreserved="YES" if frame else None,
        PurposeOfReferenceCodeSequence=[code_item(_PURPOSE)],
    )
    return item(SourceImageSequence=[image], DerivationCodeSequence=[code_item(_SEGMENTATION)])
