"""Where the elements of a classic image go in its Legacy Converted Enhanced form (PS3.3 A.70 to A.72)."""

from __future__ import annotations

from vasculum.model.codes import Code

CONVERTED_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "1.2.840.10008.5.1.4.1.1.2.2",
    "1.2.840.10008.5.1.4.1.1.4": "1.2.840.10008.5.1.4.1.1.4.4",
    "1.2.840.10008.5.1.4.1.1.128": "1.2.840.10008.5.1.4.1.1.128.1",
}
"""SOP class of the converted object by that of the classic CT, MR and PET images."""

FRAME_TYPE_GROUPS = {
    "1.2.840.10008.5.1.4.1.1.2.2": "CTImageFrameTypeSequence",
    "1.2.840.10008.5.1.4.1.1.4.4": "MRImageFrameTypeSequence",
    "1.2.840.10008.5.1.4.1.1.128.1": "PETFrameTypeSequence",
}

TOP_LEVEL = (
    "TimezoneOffsetFromUTC", "SeriesDate", "SeriesTime", "ProtocolName", "OperatorsName", "PerformingPhysicianName",
    "Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions", "InstitutionName",
    "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "PatientPosition",
    "PositionReferenceIndicator", "BurnedInAnnotation", "RecognizableVisualFeatures", "GantryID",
    "DateOfLastCalibration", "TimeOfLastCalibration", "SpatialResolution",
)  # fmt: skip
"""Series and equipment elements that stay at the top where all slices agree."""

REPLACED = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "ImageType", "Modality", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "SmallestImagePixelValue", "LargestImagePixelValue",
    "SmallestPixelValueInSeries", "LargestPixelValueInSeries", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "FrameOfReferenceUID", "SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness",
    "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction", "IrradiationEventUID",
    "AnatomicRegionSequence", "LossyImageCompression", "InstanceCreationDate", "InstanceCreationTime",
    "PresentationLUTShape", "ImageComments", "AcquisitionNumber",
    "EncryptedAttributesSequence", "DigitalSignaturesSequence", "MACParametersSequence",
    "OriginalAttributesSequence", "IconImageSequence", "DataSetTrailingPadding",
    "CodingSchemeIdentificationSequence", "PrivateDataElementCharacteristicsSequence",
)  # fmt: skip
"""Elements that are written anew, in functional groups or Image Pixel, or that make no sense in the new object."""

INCOMPLETE_REFERENCES = ("SourceImageSequence", "ReferencedImageSequence")
"""Where these stand, the enhanced forms demand evidence with study and series, which classic images do not give."""

ANATOMY = {
    "ABDOMEN": Code("818983003", "SCT", "Abdomen"),
    "ANKLE": Code("70258002", "SCT", "Ankle joint"),
    "BRAIN": Code("12738006", "SCT", "Brain"),
    "BREAST": Code("76752008", "SCT", "Breast"),
    "CHEST": Code("816094009", "SCT", "Chest"),
    "CSPINE": Code("122494005", "SCT", "Cervical spine"),
    "ELBOW": Code("127949000", "SCT", "Elbow"),
    "EXTREMITY": Code("66019005", "SCT", "Extremity"),
    "FOOT": Code("56459004", "SCT", "Foot"),
    "HAND": Code("85562004", "SCT", "Hand"),
    "HEAD": Code("69536005", "SCT", "Head"),
    "HEART": Code("80891009", "SCT", "Heart"),
    "HIP": Code("29836001", "SCT", "Hip"),
    "JAW": Code("661005", "SCT", "Jaw region"),
    "KNEE": Code("72696002", "SCT", "Knee"),
    "LIVER": Code("10200004", "SCT", "Liver"),
    "LSPINE": Code("122496007", "SCT", "Lumbar spine"),
    "LUNG": Code("39607008", "SCT", "Lung"),
    "NECK": Code("45048000", "SCT", "Neck"),
    "PELVIS": Code("816092008", "SCT", "Pelvis"),
    "SHOULDER": Code("16982005", "SCT", "Shoulder"),
    "SKULL": Code("89546000", "SCT", "Skull"),
    "SPINE": Code("421060004", "SCT", "Spine"),
    "TSPINE": Code("122495006", "SCT", "Thoracic spine"),
    "WHOLEBODY": Code("38266002", "SCT", "Entire body"),
    "WRIST": Code("8205005", "SCT", "Wrist"),
}
"""Body Part Examined as codes (PS3.16 annex L), for the Frame Anatomy functional group."""
