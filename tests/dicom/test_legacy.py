"""Classic series as Legacy Converted Enhanced images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.dicom.specimens import MOUSE, assert_conformant, context, itk_affine, stored, write
from tests.interop import require
from vasculum.dicom.conformance import dciodvfy, entity_check, geometry_problems
from vasculum.dicom.conversion_tables import REPLACED
from vasculum.dicom.json import header_json
from vasculum.dicom.slices import SliceHeaders
from vasculum.dicom.subject import STAMPED, read_record
from vasculum.dicom.uids import uid_from
from vasculum.dicom.walk import read_header
from vasculum.dicom.write import Written
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import SubjectKind

LCE_CT = "1.2.840.10008.5.1.4.1.1.2.2"
LCE_MR = "1.2.840.10008.5.1.4.1.1.4.4"


@dataclass(frozen=True)
class Classic:
    """A classic series in k order, as pydicom and our own header walk read it."""

    files: Sequence[pydicom.Dataset]
    headers: Sequence[Mapping[str, Any]]
    array: np.ndarray
    geometry: Geometry


def classic(folder: Path) -> Classic:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [(pydicom.dcmread(path), path) for path in sorted(folder.iterdir()) if path.suffix in (".dcm", "")]
        found = [(ds, path) for ds, path in found if ds.SeriesInstanceUID == found[0][0].SeriesInstanceUID]
        cosines = np.array(found[0][0].ImageOrientationPatient, float).reshape(2, 3)
        found.sort(key=lambda pair: float(np.cross(*cosines) @ np.array(pair[0].ImagePositionPatient, float)))
        files = [ds for ds, _ in found]
        slices = [
            d.pixel_array * float(d.get("RescaleSlope", 1)) + float(d.get("RescaleIntercept", 0)) for d in files
        ]
    positions = np.array([d.ImagePositionPatient for d in files], float)
    affine = np.eye(4)
    affine[:3, 0] = cosines[0] * float(files[0].PixelSpacing[1])
    affine[:3, 1] = cosines[1] * float(files[0].PixelSpacing[0])
    affine[:3, 2] = (positions[-1] - positions[0]) / (len(files) - 1)
    affine[:3, 3] = positions[0]
    array = np.stack(slices).astype("i2")
    assert np.array_equal(array, np.stack(slices))
    headers = [header_json(read_header(path)) for _, path in found]
    steps = np.diff(positions, axis=0)
    irregular = "" if np.abs(steps - steps.mean(axis=0)).max() < 1e-3 else "the slices are not evenly spaced"
    return Classic(files, headers, array, Geometry.from_affine(affine, array.shape, irregular=irregular))


def convert(path: Path, series: Classic, **more: Any) -> Written:
    first = series.files[0]
    given: dict[str, Any] = {
        "context": context(
            SubjectKind.PATIENT,
            str(first.PatientID),
            {},
            header=series.headers[0],
            study_uid=str(first.StudyInstanceUID),
            study_date="",
        ),
        "source_headers": series.headers,
    }
    return write(path, series.array, series.geometry, str(first.Modality), **(given | more))


SERIES = {
    "ct": ("dicom-ct/Slicer/CTHeadAxialDicom", LCE_CT),
    "ct-rescaled": ("dicom-ct/dicom2nifti/sliceincrement/001", LCE_CT),
    "ct-tilted": ("dicom-ct/dicom2nifti/gantrytilting/001", LCE_CT),
    "mr-ge": ("dicom-mr/dicom2nifti/ge/anatomical/001", LCE_MR),
    "mr-siemens": ("dicom-mr/dcm_qa_decubitus/HFP/2_t1_fl2d_sag", LCE_MR),
}


@pytest.mark.parametrize("name", SERIES)
def test_voxels_places_and_conformance(tmp_path: Path, shared_data: Path, name: str) -> None:
    require("dciodvfy")
    folder, sop_class_uid = SERIES[name]
    series = classic(shared_data / folder)
    written = convert(tmp_path / "IM000001", series)
    assert written.sop_class_uid == sop_class_uid
    assert_conformant(written.path, series.geometry)
    assert np.array_equal(stored(written, series.array.shape), series.array)
    assert np.array_equal(pydicom.dcmread(written.path).pixel_array, series.array)
    sitk = require("SimpleITK")
    image = sitk.ReadImage(str(written.path))
    assert np.array_equal(sitk.GetArrayFromImage(image), series.array)
    if series.geometry.regular and name != "ct-tilted":  # ITK flattens both; the positions of the frames keep them
        assert np.allclose(itk_affine(image), series.geometry.affine, atol=1e-4)


@pytest.mark.parametrize("name", SERIES)
def test_every_source_element_is_accounted_for(tmp_path: Path, shared_data: Path, name: str) -> None:
    """Each is at the top, in a functional group we write anew, among the unassigned, or in the record."""
    series = classic(shared_data / SERIES[name][0])
    written = convert(tmp_path / "x", series)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(written.path)
        shared = ds.SharedFunctionalGroupsSequence[0].UnassignedSharedConvertedAttributesSequence[0]
        record = read_record(ds)["series"].get("source_elements", {})
        known = {pydicom.datadict.tag_for_keyword(k) for k in (*REPLACED, *STAMPED)}
        for source, header, frame in zip(
            series.files, series.headers, ds.PerFrameFunctionalGroupsSequence, strict=True
        ):
            own = frame.UnassignedPerFrameConvertedAttributesSequence[0]
            reference = frame.ConversionSourceAttributesSequence[0]
            assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
            for element in source:
                tag = element.tag
                key = f"{int(tag):08X}"
                bulk = "BulkDataURI" in header.get(key, {})
                if tag in known or tag.is_private_creator or tag.group == 0x7FE0 or tag.element == 0 or bulk:
                    continue
                if key in record:
                    continue
                place = next((p for p in (own, shared, ds) if tag in p), None)
                if place is None and element.keyword.startswith("Rescale"):
                    continue  # slope 1, intercept 0
                assert place is not None, element.keyword or tag
                if element.VR in ("LO", "SH", "CS", "UI", "IS", "PN"):
                    assert place[tag].value == element.value


def test_rescaled_values_are_called_derived(tmp_path: Path, shared_data: Path) -> None:
    ds = pydicom.dcmread(convert(tmp_path / "x", classic(shared_data / SERIES["ct-rescaled"][0])).path)
    assert ds.ImageType[0] == "DERIVED"
    shared = ds.SharedFunctionalGroupsSequence[0]
    transformation = shared.PixelValueTransformationSequence[0]
    assert (transformation.RescaleSlope, transformation.RescaleIntercept) == (1, 0)
    assert "rescale" in shared.DerivationImageSequence[0].DerivationDescription
    assert shared.UnassignedSharedConvertedAttributesSequence[0].RescaleIntercept == -1024


def test_untouched_values_keep_their_image_type(tmp_path: Path, shared_data: Path) -> None:
    series = classic(shared_data / SERIES["mr-ge"][0])
    ds = pydicom.dcmread(convert(tmp_path / "x", series).path)
    assert ds.ImageType[0] == series.files[0].ImageType[0]
    assert "DerivationImageSequence" not in ds.SharedFunctionalGroupsSequence[0]


def test_positions_are_those_of_the_slices_where_spacing_is_irregular(tmp_path: Path, shared_data: Path) -> None:
    series = classic(shared_data / SERIES["ct"][0])
    keep = [0, 1, 2, 5, 6]
    geometry = Geometry.from_affine(
        series.geometry.affine, (5, *series.array.shape[1:]), irregular="2 slices are missing"
    )
    part = Classic([series.files[k] for k in keep], [series.headers[k] for k in keep], series.array[keep], geometry)
    ds = pydicom.dcmread(convert(tmp_path / "x", part).path)
    found = [f.PlanePositionSequence[0].ImagePositionPatient for f in ds.PerFrameFunctionalGroupsSequence]
    assert np.allclose(found, [f.ImagePositionPatient for f in part.files])
    assert "DimensionOrganizationType" not in ds
    assert geometry_problems(tmp_path / "x", None) != []


@pytest.mark.parametrize("kind", [SubjectKind.SPECIMEN, SubjectKind.ANIMAL])
def test_a_scanner_of_people_may_scan_a_mouse(tmp_path: Path, shared_data: Path, kind: SubjectKind) -> None:
    require("dciodvfy")
    series = classic(shared_data / SERIES["ct"][0])
    mouse = context(kind, "M 1", MOUSE, header=series.headers[0])
    written = convert(tmp_path / "a", series, context=mouse)
    plain = write(tmp_path / "b", series.array, series.geometry, "CT", context=mouse)
    assert_conformant(written.path, series.geometry)
    assert entity_check([written.path, plain.path]) == []
    ds = pydicom.dcmread(written.path)
    assert ds.PatientID == "M 1"
    assert ds.PatientName == "M 1"
    assert ("SpecimenDescriptionSequence" in ds) is (kind is SubjectKind.SPECIMEN)


def test_pixel_padding_is_rescaled_with_the_pixels(tmp_path: Path, shared_data: Path) -> None:
    series = classic(shared_data / SERIES["ct-rescaled"][0])
    padded = [{**h, "00280120": {"vr": "SS", "Value": [-2000]}} for h in series.headers]
    ds = pydicom.dcmread(convert(tmp_path / "x", series, source_headers=padded).path)
    assert ds.PixelPaddingValue == -3024


def test_a_file_set_without_the_classic_files_does_not_refer_to_them(tmp_path: Path, shared_data: Path) -> None:
    series = classic(shared_data / SERIES["ct-rescaled"][0])
    written = convert(tmp_path / "x", series, refers_to_sources=False)
    ds = pydicom.dcmread(written.path)
    assert "ReferencedSOPInstanceUID" not in {e.keyword for e in ds.iterall()}
    elements = read_record(ds)["series"]["source_elements"]
    assert elements["00080018"] == [h["00080018"] for h in series.headers]
    assert dciodvfy(written.path) == []


def test_headers_that_cannot_be_converted_go_to_the_record(tmp_path: Path, shared_data: Path) -> None:
    series = classic(shared_data / SERIES["mr-ge"][0])
    mixed = [{**series.headers[0], "00080016": {"vr": "UI", "Value": [LCE_CT]}}, *series.headers[1:]]
    for headers in (mixed, series.headers[:-1]):
        written = convert(tmp_path / "x", series, source_headers=headers)
        assert written.sop_class_uid == "1.2.840.10008.5.1.4.1.1.4.1"
        assert "record only" in written.notes[0]
        elements = read_record(pydicom.dcmread(written.path))["series"]["source_elements"]
        assert elements["00200013"] == [h["00200013"] for h in headers]
        assert dciodvfy(written.path) == []


def test_invalid_values_go_to_the_record_instead(tmp_path: Path, shared_data: Path) -> None:
    series = classic(shared_data / SERIES["mr-ge"][0])
    broken = [
        {**h, "00181030": {"vr": "LO", "Value": ["x" * 80]}, "00080031": {"vr": "TM", "Value": ["noon"]}}
        for h in series.headers
    ]
    written = convert(tmp_path / "x", series, source_headers=broken)
    assert any("ProtocolName" in note for note in written.notes)
    elements = read_record(pydicom.dcmread(written.path))["series"]["source_elements"]
    assert elements["00181030"] == [{"vr": "LO", "Value": ["x" * 80]}]
    assert dciodvfy(written.path) == []


def test_elements_are_sorted_by_what_slices_share() -> None:
    headers = [
        {
            "00180060": {"vr": "DS", "Value": [120.0]},
            "00200013": {"vr": "IS", "Value": [number]},
            "00290010": {"vr": "LO", "Value": ["ACME 1.0"]},
            "00291001": {"vr": "LO", "Value": [f"private {number}"]},
            "00311001": {"vr": "LO", "Value": ["an orphan"]},
            "60003000": {"vr": "OW", "InlineBinary": "AAA="},
        }
        for number in (1, 2)
    ]
    slices = SliceHeaders(headers)
    assert [e.keyword for e in slices.unassigned_shared()] == ["KVP"]
    second = slices.unassigned_of(1)
    assert second.InstanceNumber == 2
    assert second.private_block(0x29, "ACME 1.0")[1].value == "private 2"
    assert slices.unplaced == {"00311001": [{"vr": "LO", "Value": ["an orphan"]}]}


def test_uids_are_derived_and_valid() -> None:
    uids = {uid_from("a", "bc"), uid_from("ab", "c"), uid_from("x")}
    assert len(uids) == 3
    assert uid_from("x") == uid_from("x")
    assert all(pydicom.uid.UID(uid).is_valid and len(uid) <= 44 for uid in uids)
