"""Turn the headers of a classic CT, MR or PET series into one Legacy Converted Enhanced header (PS3.3 A.70 to A.72).

Nothing is thrown away: elements with a place in the enhanced object go there, all others, private ones too, into the
Unassigned Shared or Per-Frame Converted Attributes. Pixels are the values after rescale, so the transformation is the
identity; where that changed the stored numbers the frames are called DERIVED, the derivation says how, and the
slopes and intercepts of the source stay among the unassigned attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vasculum.model.codes import Code

from .conversion_tables import (
    ANATOMY,
    CONVERTED_CLASSES,
    FRAME_TYPE_GROUPS,
    INCOMPLETE_REFERENCES,
    REPLACED,
    TOP_LEVEL,
)
from .elements import code_item, decimal_string, decimal_strings, fit_text, item
from .groups import (
    conversion_equipment,
    equipment,
    frame_of_reference,
    frame_of_reference_of,
    general_modules,
    pixel_module,
    plane_groups,
    stack_dimensions,
)
from .slices import SliceHeaders
from .subject import OWN_SCHEME, STAMPED
from .volume_header import VolumeHeader, default_window

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_RESCALED = Code("rescaled", OWN_SCHEME, "Pixel values after rescale")
_POSITION_TOLERANCE_MM = 1e-2


def converted_class(header: VolumeHeader) -> str:
    """Give the SOP class that the source headers become, or an empty text where they cannot be converted.

    They can where there is one per slice, all of one classic CT, MR or PET class, and the values are integers of 16
    bits or less.
    """
    classes = {(h.get("00080016", {}).get("Value") or [""])[0] for h in header.source_headers}
    if len(header.source_headers) != header.geometry.shape[0] or len(classes) != 1:
        return ""
    if header.dtype.kind == "f":
        return ""
    return CONVERTED_CLASSES.get(str(classes.pop()), "")


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted header."""

    dataset: Dataset
    unplaced: dict[str, list[Any]]
    """Elements that found no valid place, by tag: DICOM JSON, once, or once per slice where slices differ."""
    notes: tuple[str, ...]
    """The same in words, with what could not be kept at all."""


def converted_dataset(header: VolumeHeader, sop_class_uid: str) -> Converted:
    """Build the data set of a converted series, without subject and without pixels."""
    from pydicom.dataset import Dataset

    slices = SliceHeaders(header.source_headers)
    ds = Dataset()
    general_modules(
        ds,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        series_uid=header.series_uid,
        series_number=header.series_number,
        label=header.label,
        modality=slices.text(0, "Modality") or header.modality,
        when=header.when,
    )
    for keyword in TOP_LEVEL:
        slices.copy_shared(ds, keyword)
    known = {k: (str(ds[k].value),) for k in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber",
                                              "SoftwareVersions") if k in ds and ds[k].VM == 1}  # fmt: skip
    equipment(ds, known)
    conversion_equipment(ds, header.when)
    uid = header.geometry.frame_of_reference or slices.text(0, "FrameOfReferenceUID")
    frame_of_reference(ds, uid or frame_of_reference_of(header.geometry, header.series_uid))
    _planes(ds, header, slices)
    stack_dimensions(ds, header.geometry)
    pixel_module(ds, header.geometry, header.dtype)
    rescaled = _rescaled(slices)
    _image_module(ds, header, slices, rescaled)
    _frame_types(ds, slices, rescaled)
    _values(ds, header, slices, rescaled)
    _frame_contents(ds, slices)
    _anatomy(ds, slices)
    _event(ds, slices)
    if header.refers_to_sources:
        _sources(ds, slices)
    else:  # a file-set without the classic instances must not refer to them; the record keeps which they were
        slices.keep("SOPInstanceUID")
    for keyword in (*REPLACED, *STAMPED):
        slices.take(keyword)
    for keyword in INCOMPLETE_REFERENCES:
        slices.set_aside(keyword, "names images without their series, which the enhanced form demands")
    _unassigned(ds, slices)
    return Converted(ds, slices.unplaced, tuple(slices.notes))


def _frames(ds: Dataset) -> list[Dataset]:
    return list(ds.PerFrameFunctionalGroupsSequence)


def _shared(ds: Dataset) -> Dataset:
    shared: Dataset = ds.SharedFunctionalGroupsSequence[0]
    return shared


def _planes(ds: Dataset, header: VolumeHeader, slices: SliceHeaders) -> None:
    """Place the frames: where the slices say, if that is where the geometry begins; else as the geometry says."""
    plane_groups(ds, header.geometry)
    positions = _vectors(slices, "ImagePositionPatient", 3)
    orientations = _vectors(slices, "ImageOrientationPatient", 6)
    if positions is not None and orientations is not None:
        direction = np.asarray(header.geometry.direction)
        cosines = np.concatenate((direction[:, 0], direction[:, 1]))
        here = np.abs(positions[0] - header.geometry.origin).max() < _POSITION_TOLERANCE_MM
        if here and np.abs(orientations - cosines).max() < _POSITION_TOLERANCE_MM:
            for frame, position in zip(_frames(ds), positions, strict=True):
                frame.PlanePositionSequence = [item(ImagePositionPatient=decimal_strings(position))]
    measures = _shared(ds).PixelMeasuresSequence[0]
    if not header.geometry.regular or header.geometry.shape[0] == 1:
        del measures.SpacingBetweenSlices
    thickness = slices.text(0, "SliceThickness")
    if thickness and slices.equal("SliceThickness"):
        measures.SliceThickness = decimal_string(float(thickness))
    elif slices.text(0, "SliceThickness"):
        _measures_per_frame(ds, slices, measures)


def _measures_per_frame(ds: Dataset, slices: SliceHeaders, shared: Dataset) -> None:
    for index, frame in enumerate(_frames(ds)):
        thickness = slices.number(index, "SliceThickness", float(shared.SliceThickness))
        frame.PixelMeasuresSequence = [
            item(
                PixelSpacing=shared.PixelSpacing,
                SliceThickness=decimal_string(thickness),
                SpacingBetweenSlices=shared.get("SpacingBetweenSlices"),
            )
        ]
    del _shared(ds).PixelMeasuresSequence


def _vectors(slices: SliceHeaders, keyword: str, length: int) -> NDArray[np.float64] | None:
    """Give one vector per slice, or None where a slice has none."""
    rows = [slices.values(index, keyword) for index in range(len(slices.headers))]
    if any(len(row) != length for row in rows):
        return None
    try:
        return np.asarray(rows, float)
    except ValueError:
        return None


def _rescale_of(slices: SliceHeaders, index: int) -> tuple[float, float]:
    return slices.number(index, "RescaleSlope", 1.0), slices.number(index, "RescaleIntercept", 0.0)


def _rescaled(slices: SliceHeaders) -> bool:
    """True where the stored numbers of some slice were not yet the values."""
    return any(_rescale_of(slices, index) != (1.0, 0.0) for index in range(len(slices.headers)))


def _image_module(ds: Dataset, header: VolumeHeader, slices: SliceHeaders, rescaled: bool) -> None:
    """Enhanced CT, MR or PET Image module, as far as a conversion has to state it."""
    ds.PixelPresentation = "MONOCHROME"
    ds.VolumetricProperties = "VOLUME"
    ds.VolumeBasedCalculationTechnique = "NONE"
    ds.ContentQualification = "RESEARCH"
    ds.PresentationLUTShape = "IDENTITY"
    ds.AcquisitionContextSequence = []
    ds.setdefault("BurnedInAnnotation", "NO")
    ds.setdefault("PatientPosition", "")
    lossy = any(slices.text(index, "LossyImageCompression") == "01" for index in range(len(slices.headers)))
    ds.LossyImageCompression = "01" if lossy else "00"
    if lossy:
        for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            slices.copy_shared(ds, keyword)
    _padding(ds, header, slices)
    if rescaled:
        scheme = item(CodingSchemeDesignator=OWN_SCHEME, CodingSchemeName="vasculum terms")
        ds.CodingSchemeIdentificationSequence = [scheme]
        _derivation(ds, header)


def _derivation(ds: Dataset, header: VolumeHeader) -> None:
    """Say that values were rescaled: in the functional group where sources are named, which it demands, else for all."""
    said = item(
        DerivationDescription="Stored values re-expressed as values after rescale (slope 1, intercept 0)",
        DerivationCodeSequence=[code_item(_RESCALED)],
    )
    if header.refers_to_sources:
        said.SourceImageSequence = []
        _shared(ds).DerivationImageSequence = [said]
    else:
        ds.update(said)


def _padding(ds: Dataset, header: VolumeHeader, slices: SliceHeaders) -> None:
    """Pixel Padding Value is a stored number: rescale it like the others, where one rescale holds for all."""
    if len({_rescale_of(slices, index) for index in range(len(slices.headers))}) > 1:
        return
    slope, intercept = _rescale_of(slices, 0)
    limits = np.iinfo(header.dtype)
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if not (slices.equal(keyword) and slices.values(0, keyword)):
            return
        stored = slices.number(0, keyword, 0.0)
        if slices.number(0, "PixelRepresentation", 0.0) == 1 and stored > 32767:
            stored -= 65536  # written as US though the pixels are signed
        value = stored * slope + intercept
        if value != round(value) or not limits.min <= value <= limits.max:
            return
        ds.add_new(keyword, "SS" if limits.min < 0 else "US", int(value))


def _frame_types(ds: Dataset, slices: SliceHeaders, rescaled: bool) -> None:
    types = [_frame_type(slices, index, rescaled) for index in range(len(slices.headers))]
    group = FRAME_TYPE_GROUPS[str(ds.SOPClassUID)]
    distinct = list(dict.fromkeys(types))
    if len(distinct) == 1:
        setattr(_shared(ds), group, [_frame_type_item(distinct[0])])
    else:
        for frame, value in zip(_frames(ds), types, strict=True):
            setattr(frame, group, [_frame_type_item(value)])
    origins = {t[0] for t in distinct}
    ds.ImageType = [origins.pop() if len(origins) == 1 else "MIXED", *distinct[0][1:]]


def _frame_type(slices: SliceHeaders, index: int, rescaled: bool) -> tuple[str, str, str, str]:
    given = [str(v) for v in slices.values(index, "ImageType")]
    origin = given[0] if given and given[0] in ("ORIGINAL", "DERIVED") else "ORIGINAL"
    flavor = given[2] if len(given) > 2 and given[2] else "VOLUME"
    return "DERIVED" if rescaled else origin, "PRIMARY", fit_text("CS", flavor.upper()), "NONE"


def _frame_type_item(value: tuple[str, ...]) -> Dataset:
    return item(
        FrameType=list(value),
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
    )


def _values(ds: Dataset, header: VolumeHeader, slices: SliceHeaders, rescaled: bool) -> None:
    """Set the identity transformation and the windows; Rescale Slope and Intercept of 1 and 0 are thereby placed."""
    kind = "HU" if ds.Modality == "CT" and "LOCALIZER" not in slices.values(0, "ImageType") else "US"
    transformation = item(RescaleIntercept="0", RescaleSlope="1", RescaleType=kind)
    _shared(ds).PixelValueTransformationSequence = [transformation]
    if not rescaled:
        for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
            slices.take(keyword)
    windows = [_window(slices, index) for index in range(len(slices.headers))]
    if all(w == windows[0] for w in windows) and windows[0]:
        _shared(ds).FrameVOILUTSequence = [item(**windows[0])]
    elif all(windows):
        for frame, window in zip(_frames(ds), windows, strict=True):
            frame.FrameVOILUTSequence = [item(**window)]
    elif ds.Modality != "MR":
        centre, width = header.window or default_window(header.dtype, header.unit)
        voi = item(WindowCenter=decimal_string(centre), WindowWidth=decimal_string(width))
        _shared(ds).FrameVOILUTSequence = [voi]


def _window(slices: SliceHeaders, index: int) -> dict[str, Any]:
    try:
        centres = [float(v) for v in slices.values(index, "WindowCenter")]
        widths = [float(v) for v in slices.values(index, "WindowWidth")]
    except ValueError:
        return {}
    if not centres or len(centres) != len(widths) or min(widths) < 1:
        return {}
    explanations = slices.values(index, "WindowCenterWidthExplanation")
    function = slices.text(index, "VOILUTFunction")
    return {
        "WindowCenter": decimal_strings(centres),
        "WindowWidth": decimal_strings(widths),
        "WindowCenterWidthExplanation": [fit_text("LO", str(e)) for e in explanations]
        if len(explanations) == len(centres)
        else None,
        "VOILUTFunction": function if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") else None,
    }


def _frame_contents(ds: Dataset, slices: SliceHeaders) -> None:
    for index, frame in enumerate(_frames(ds)):
        content = frame.FrameContentSequence[0]
        number = slices.number(index, "AcquisitionNumber", -1.0)
        if 0 <= number <= 65535:
            content.FrameAcquisitionNumber = int(number)
        moment = slices.text(index, "AcquisitionDateTime") or (
            slices.text(index, "AcquisitionDate") + slices.text(index, "AcquisitionTime")
            if slices.text(index, "AcquisitionDate")
            else ""
        )
        if len(moment) >= 8 and moment[:8].isdigit():
            content.FrameAcquisitionDateTime = moment
        comment = slices.text(index, "ImageComments")
        if comment:
            content.FrameComments = fit_text("LT", comment)


def _anatomy(ds: Dataset, slices: SliceHeaders) -> None:
    """Frame Anatomy, from the coded region or from Body Part Examined (which stays among the unassigned)."""
    code = ANATOMY.get(slices.text(0, "BodyPartExamined").upper().replace(" ", ""))
    regions = slices.element_of(0, "AnatomicRegionSequence") if slices.equal("AnatomicRegionSequence") else None
    if not regions and code:
        regions = [code_item(code)]
    if not regions:
        slices.copy_shared(ds, "Laterality")
        return
    side = slices.text(0, "ImageLaterality") or slices.text(0, "Laterality")
    _shared(ds).FrameAnatomySequence = [
        item(FrameLaterality=side if side in ("R", "L", "B") else "U", AnatomicRegionSequence=list(regions))
    ]


def _sources(ds: Dataset, slices: SliceHeaders) -> None:
    """Name the classic instance of every frame, and their series (Common Instance Reference)."""
    by_series: dict[str, list[Dataset]] = {}
    for index, frame in enumerate(_frames(ds)):
        names = {
            "ReferencedSOPClassUID": slices.text(index, "SOPClassUID"),
            "ReferencedSOPInstanceUID": slices.text(index, "SOPInstanceUID"),
        }
        frame.ConversionSourceAttributesSequence = [item(**names)]
        by_series.setdefault(slices.text(index, "SeriesInstanceUID"), []).append(item(**names))
    ds.ReferencedSeriesSequence = [
        item(SeriesInstanceUID=uid, ReferencedInstanceSequence=list(own)) for uid, own in by_series.items()
    ]
    if "DerivationImageSequence" in _shared(ds):
        evidence = [item(SeriesInstanceUID=uid, ReferencedSOPSequence=list(own)) for uid, own in by_series.items()]
        study = slices.text(0, "StudyInstanceUID")
        ds.SourceImageEvidenceSequence = [item(StudyInstanceUID=study, ReferencedSeriesSequence=evidence)]


def _event(ds: Dataset, slices: SliceHeaders) -> None:
    events = {slices.text(index, "IrradiationEventUID") for index in range(len(slices.headers))}
    if len(events) == 1 and "" not in events and ds.Modality in ("CT", "PT"):
        _shared(ds).IrradiationEventIdentificationSequence = [item(IrradiationEventUID=events.pop())]


def _unassigned(ds: Dataset, slices: SliceHeaders) -> None:
    """Keep everything else; what belongs to patient and study is stamped by `apply_subject`."""
    shared = slices.unassigned_shared()
    _shared(ds).UnassignedSharedConvertedAttributesSequence = [shared]
    for index, frame in enumerate(_frames(ds)):
        frame.UnassignedPerFrameConvertedAttributesSequence = [slices.unassigned_of(index)]
