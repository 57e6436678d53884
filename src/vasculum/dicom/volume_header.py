"""The headers of volumes as multi-frame images: Enhanced CT and MR, Multi-frame Secondary Capture, Parametric Map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from vasculum.model.codes import Code
from vasculum.model.description import Attributes
from vasculum.model.geometry import Geometry

from .elements import code_item, decimal_string, fit_text, item
from .groups import (
    WHOLE_BODY,
    equipment,
    frame_of_reference,
    frame_of_reference_of,
    general_modules,
    pixel_module,
    plane_groups,
    stack_dimensions,
)
from .uids import uid_from

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
BYTE_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.2"
WORD_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.3"
COLOR_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.4"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"

_HOUNSFIELD = ("HU", "[hnsf'U]")
_DERIVED = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
_NO_UNIT = Code("1", "UCUM", "no units")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeHeader:
    """What is said of a volume besides its voxels."""

    sop_class_uid: str
    dtype: np.dtype[Any]
    """How the values are stored."""
    geometry: Geometry
    modality: str
    sop_instance_uid: str
    series_uid: str
    series_number: int
    label: str
    attributes: Attributes
    source_headers: Sequence[Mapping[str, Any]]
    window: tuple[float, float] | None
    unit: str
    when: datetime
    refers_to_sources: bool = True
    """Whether the classic instances that it was converted from are named: only where a reader can find them."""


def volume_dataset(header: VolumeHeader) -> Dataset:
    """Build the data set of a volume that is not converted from classic DICOM, without subject and without pixels."""
    from pydicom.dataset import Dataset

    ds = Dataset()
    general_modules(
        ds,
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        series_uid=header.series_uid,
        series_number=header.series_number,
        label=header.label,
        modality=header.modality or "OT",
        when=header.when,
    )
    equipment(ds, header.attributes)
    frame_of_reference(ds, frame_of_reference_of(header.geometry, header.series_uid))
    plane_groups(ds, header.geometry)
    pixel_module(ds, header.geometry, header.dtype, 3 if header.sop_class_uid == COLOR_CAPTURE else 1)
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.PatientPosition = ""
    _CLASS_BUILDERS[header.sop_class_uid](ds, header)
    return ds


def default_window(dtype: np.dtype[Any], unit: str) -> tuple[float, float]:
    """Give a centre and width that show most volumes of a type."""
    if unit in _HOUNSFIELD:
        return 300.0, 1500.0
    if dtype.kind == "f":
        return 0.5, 1.0
    limits = np.iinfo(dtype)
    return (float(limits.max) + float(limits.min)) / 2 + 0.5, float(limits.max) - float(limits.min) + 1


def _enhanced(ds: Dataset, header: VolumeHeader) -> Dataset:
    """Set what Enhanced CT and MR share; give the shared functional groups."""
    stack_dimensions(ds, header.geometry)
    ds.ImageType = list(_DERIVED)
    ds.PixelPresentation = "MONOCHROME"
    ds.VolumetricProperties = "VOLUME"
    ds.VolumeBasedCalculationTechnique = "NONE"
    ds.ContentQualification = "RESEARCH"
    ds.AcquisitionContextSequence = []
    ds.PresentationLUTShape = "IDENTITY"
    shared: Dataset = ds.SharedFunctionalGroupsSequence[0]
    shared.FrameAnatomySequence = [item(FrameLaterality="U", AnatomicRegionSequence=[code_item(WHOLE_BODY)])]
    _identity_transformation(shared, header)
    centre, width = header.window or default_window(header.dtype, header.unit)
    voi = item(WindowCenter=decimal_string(centre), WindowWidth=decimal_string(max(width, 1.0)))
    shared.FrameVOILUTSequence = [voi]
    return shared


def _identity_transformation(shared: Dataset, header: VolumeHeader) -> None:
    """Stored values are the values: slope 1, intercept 0 (C.7.6.16.2.9)."""
    kind = "HU" if header.unit in _HOUNSFIELD else "US"
    transformation = item(RescaleIntercept="0", RescaleSlope="1", RescaleType=kind)
    shared.PixelValueTransformationSequence = [transformation]


def _frame_type() -> Dataset:
    return item(
        FrameType=list(_DERIVED),
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
    )


def _enhanced_ct(ds: Dataset, header: VolumeHeader) -> None:
    """Enhanced CT Image (PS3.3 A.38.1); derived, so that no acquisition has to be invented.

    Its Rescale Type can be nothing but HU (C.8.15.3.10); where the values are not known to be Hounsfield units, a Real
    World Value Mapping says so.
    """
    shared = _enhanced(ds, header)
    shared.PixelValueTransformationSequence[0].RescaleType = "HU"
    if header.unit not in _HOUNSFIELD:
        shared.RealWorldValueMappingSequence = [_real_world_values(header)]
    ds.Modality = "CT"
    ds.MultienergyCTAcquisition = "NO"
    shared.CTImageFrameTypeSequence = [_frame_type()]
    event = uid_from("irradiation-event", header.series_uid)
    shared.IrradiationEventIdentificationSequence = [item(IrradiationEventUID=event)]


def _enhanced_mr(ds: Dataset, header: VolumeHeader) -> None:
    """Enhanced MR Image (PS3.3 A.36.2), derived."""
    shared = _enhanced(ds, header)
    ds.ComplexImageComponent = "MAGNITUDE"
    ds.AcquisitionContrast = "UNKNOWN"
    ds.ApplicableSafetyStandardAgency = "OTHER"
    frame = _frame_type()
    frame.ComplexImageComponent = "MAGNITUDE"
    frame.AcquisitionContrast = "UNKNOWN"
    shared.MRImageFrameTypeSequence = [frame]


def _secondary_capture(ds: Dataset, header: VolumeHeader) -> None:
    """Multi-frame Secondary Capture (PS3.3 A.8.3 to A.8.5)."""
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.ConversionType = "WSD"
    ds.PatientOrientation = []
    if ds.NumberOfFrames > 1:
        ds.FrameIncrementPointer = 0x52009230
    if header.sop_class_uid == COLOR_CAPTURE:
        return
    ds.PresentationLUTShape = "IDENTITY"
    ds.RescaleIntercept = "0"
    ds.RescaleSlope = "1"
    ds.RescaleType = "US"
    if header.window:
        ds.WindowCenter = decimal_string(header.window[0])
        ds.WindowWidth = decimal_string(max(header.window[1], 1.0))


def _parametric_map(ds: Dataset, header: VolumeHeader) -> None:
    """Parametric Map (PS3.3 A.75): the only class for floating point values."""
    stack_dimensions(ds, header.geometry)
    kind = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]
    ds.ImageType = kind
    ds.ContentLabel = "VOLUME"
    ds.ContentDescription = fit_text("LO", header.label)
    ds.ContentCreatorName = ""
    ds.ContentQualification = "RESEARCH"
    ds.AcquisitionContextSequence = []
    ds.PresentationLUTShape = "IDENTITY"
    ds.RecognizableVisualFeatures = "YES"  # nobody looked: a head would show a face
    shared: Dataset = ds.SharedFunctionalGroupsSequence[0]
    shared.FrameAnatomySequence = [item(FrameLaterality="U", AnatomicRegionSequence=[code_item(WHOLE_BODY)])]
    shared.ParametricMapFrameTypeSequence = [item(FrameType=kind)]
    _identity_transformation(shared, header)
    centre, width = header.window or default_window(header.dtype, header.unit)
    voi = item(WindowCenter=decimal_string(centre), WindowWidth=decimal_string(width), VOILUTFunction="LINEAR_EXACT")
    shared.FrameVOILUTSequence = [voi]
    shared.RealWorldValueMappingSequence = [_real_world_values(header)]


def _real_world_values(header: VolumeHeader) -> Dataset:
    """Say in which unit the values are (C.7.6.16.2.11): the stored values themselves, over the whole range of the type."""
    mapping = item(
        LUTExplanation="value",
        LUTLabel="VALUE",
        RealWorldValueIntercept=0.0,
        RealWorldValueSlope=1.0,
        MeasurementUnitsCodeSequence=[code_item(_unit_code(header.unit))],
    )
    if header.dtype.kind == "f":
        largest = float(np.finfo(header.dtype).max)
        mapping.DoubleFloatRealWorldValueFirstValueMapped = -largest
        mapping.DoubleFloatRealWorldValueLastValueMapped = largest
        return mapping
    vr = "SS" if header.dtype.kind == "i" else "US"
    limits = np.iinfo(header.dtype)
    mapping.add_new("RealWorldValueFirstValueMapped", vr, int(limits.min))
    mapping.add_new("RealWorldValueLastValueMapped", vr, int(limits.max))
    return mapping


def _unit_code(unit: str) -> Code:
    if unit in _HOUNSFIELD:
        return Code("[hnsf'U]", "UCUM", "Hounsfield unit")
    return Code(unit, "UCUM", unit) if unit else _NO_UNIT


_CLASS_BUILDERS = {
    ENHANCED_CT: _enhanced_ct,
    ENHANCED_MR: _enhanced_mr,
    BYTE_CAPTURE: _secondary_capture,
    WORD_CAPTURE: _secondary_capture,
    COLOR_CAPTURE: _secondary_capture,
    PARAMETRIC_MAP: _parametric_map,
}
