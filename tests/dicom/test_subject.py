"""Who or what was imaged, on every object alike; awkward strings; the private record."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dicom.specimens import MOUSE, MUSEUM_ID, STRAIN, WHEN, assert_conformant, context, oblique, values, write
from tests.dicom.test_seg_write import labels, write_labels
from tests.interop import require
from vasculum.dicom.conformance import entity_check
from vasculum.dicom.elements import decimal_string, fit_text, fits
from vasculum.dicom.encapsulate import read_payload, write_encapsulated_stl, write_raw_data
from vasculum.dicom.seg import SourceImage
from vasculum.dicom.subject import Context, apply_subject, read_record
from vasculum.dicom.subject_terms import age_string, date_string, subject_terms
from vasculum.dicom.uids import uid_from
from vasculum.errors import Invalid
from vasculum.model.kinds import SubjectKind

HUMAN: dict[str, Any] = {"PatientName": "Ñandú^日本", "sex": "F", "PatientBirthDate": "1970-02-03", "age": "56 y"}

ANIMAL_ONLY = (
    "PatientSpeciesDescription",
    "PatientBreedDescription",
    "BreedRegistrationSequence",
    "StrainDescription",
    "GeneticModificationsSequence",
    "ResponsiblePerson",
    "PatientSexNeutered",
)


def everything(folder: Path, shared: Context) -> list[Path]:
    """Write an object of every kind of one subject."""
    geometry = oblique()
    image = write(folder / "ct", values(geometry.shape, "i2"), geometry, context=shared)
    write(folder / "mr", values(geometry.shape, "u2"), geometry, "MR", context=shared)
    write(folder / "sc", values(geometry.shape, "u1"), geometry, "", context=shared)
    write(folder / "pm", values(geometry.shape, "f4"), geometry, context=shared)
    source = SourceImage.of(image, geometry)
    write_labels(folder / "seg", labels(), geometry, context=shared, source=source)
    more: dict[str, Any] = {"context": shared, "series_number": 9, "when": WHEN}
    write_encapsulated_stl(
        folder / "stl",
        b"solid" * 17,
        series_uid=uid_from("stl"),
        sop_instance_uid=uid_from("stl", "1"),
        label="mesh",
        source=source,
        color=(1, 0, 0),
        **more,
    )
    write_raw_data(
        folder / "raw",
        b"<MRML/>",
        name="scène.mrml",
        media_type="text/xml",
        series_uid=uid_from("raw"),
        sop_instance_uid=uid_from("raw", "1"),
        label="scene",
        **more,
    )
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        (SubjectKind.SPECIMEN, MOUSE),
        (SubjectKind.SPECIMEN, {}),
        (SubjectKind.ANIMAL, MOUSE),
        (SubjectKind.PATIENT, HUMAN),
        (SubjectKind.SPECIMEN, {"species": "Homo sapiens", "catalogNumber": "1"}),
    ],
)
def test_every_object_is_conformant_and_they_agree(
    tmp_path: Path, kind: SubjectKind, metadata: dict[str, Any]
) -> None:
    require("dciodvfy")
    paths = everything(tmp_path, context(kind, "M 1", metadata))
    for path in paths:
        assert_conformant(path)
    assert entity_check(paths) == []


def test_strings_are_exact_in_every_object(tmp_path: Path) -> None:
    for path in everything(tmp_path, context(label=STRAIN)):
        ds = pydicom.dcmread(path)
        assert ds.PatientID == STRAIN
        assert ds.StrainDescription == STRAIN
        assert ds.SpecificCharacterSet == "ISO_IR 192"
        assert MUSEUM_ID in [other.PatientID for other in ds.OtherPatientIDsSequence]
        assert MOUSE["accession"] in [other.PatientID for other in ds.OtherPatientIDsSequence]
        record = read_record(ds)
        assert record["subject"]["metadata"]["path"] == "C:\\raw\\x"
        assert record["subject"]["metadata"]["dwc:locality"] == "Ñandú, 日本"
        if "SpecimenDescriptionSequence" in ds:
            specimen = ds.SpecimenDescriptionSequence[0]
            assert specimen.SpecimenIdentifier == MUSEUM_ID
            steps = specimen.SpecimenPreparationSequence[0].SpecimenPreparationStepContentItemSequence
            assert "Ñandú, 日本" in [step.TextValue for step in steps]


def test_attributes_of_animals_are_absent_from_people(tmp_path: Path) -> None:
    human = pydicom.dcmread(
        write(
            tmp_path / "h", values((5, 8, 7), "i2"), oblique(), context=context(SubjectKind.PATIENT, "P", HUMAN)
        ).path
    )
    assert [keyword for keyword in ANIMAL_ONLY if keyword in human] == []
    assert (human.PatientName, human.PatientSex, human.PatientBirthDate) == ("Ñandú^日本", "F", "19700203")
    assert human.PatientAge == "056Y"
    mouse = pydicom.dcmread(write(tmp_path / "m", values((5, 8, 7), "i2"), oblique()).path)
    assert [keyword for keyword in ANIMAL_ONLY if keyword not in mouse] == []
    assert (mouse.PatientSex, mouse.PatientAge, float(mouse.PatientWeight)) == ("M", "008W", 0.0241)
    assert mouse.ClinicalTrialTimePointID == "W8"
    assert mouse.GeneticModificationsSequence[0].GeneticModificationsDescription == (
        "Lepr<db>/Lepr<db> (homozygous); Dock7<m>/+"
    )


def test_a_patient_is_as_in_the_source_header() -> None:
    header = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
        "00100030": {"vr": "DA", "Value": ["19500101"]},
        "00100040": {"vr": "CS", "Value": ["M"]},
        "00101030": {"vr": "DS", "Value": [71.3]},
        "00080020": {"vr": "DA", "Value": ["20200102"]},
        "00080030": {"vr": "TM", "Value": ["not a time"]},
    }
    ds = pydicom.Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    ds.PatientComments = "said by the object before"
    apply_subject(ds, context(SubjectKind.PATIENT, "7", {"sex": "F"}, header=header, study_date=""))
    assert str(ds.PatientName) == "Yamada^Tarou=山田^太郎"
    assert (ds.PatientBirthDate, ds.StudyDate, ds.StudyTime) == ("19500101", "20200102", "")
    assert ds.PatientSex == "F"  # what people say goes before what the scanner said
    assert float(ds.PatientWeight) == 71.3
    assert "PatientComments" not in ds


@pytest.mark.parametrize(
    ("label", "patient_id"),
    [
        ("é" * 64, "é" * 32),
        ("a\\b", "a/b"),
        ("tab\tnewline\n", "tab newline"),
        ("x" * 65, "x" * 64),
        ("a^b=c", "a^b=c"),
    ],
)
def test_what_does_not_fit_is_cut_there_and_whole_in_the_record(tmp_path: Path, label: str, patient_id: str) -> None:
    require("dciodvfy")
    written = write(tmp_path / "x", values((5, 8, 7), "i2"), oblique(), context=context(label=label))
    assert_conformant(written.path)
    ds = pydicom.dcmread(written.path)
    assert ds.PatientID == patient_id
    assert read_record(ds)["subject"]["label"] == label


@given(label=st.text(min_size=1, max_size=80), strain=st.text(max_size=200))
def test_any_text_is_written_and_exact_in_the_record(label: str, strain: str) -> None:
    from vasculum.dicom.elements import require_valid
    from vasculum.dicom.write import encode

    ds = pydicom.Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    ds.SOPInstanceUID = "2.25.1"
    apply_subject(ds, context(label=label, metadata={"species": "Mus musculus", "strain": strain}))
    require_valid(ds)
    back = pydicom.dcmread(BytesIO(encode(ds, ds.SOPClassUID, ds.SOPInstanceUID)))
    assert read_record(back)["subject"] == {
        "label": label,
        "metadata": {"species": "Mus musculus", "strain": strain},
    }
    if fits("LO", label):
        assert str(back.PatientID) == label
    if strain and fits("UC", strain):
        assert back.StrainDescription == strain


def test_a_name_in_an_unknown_encoding_survives_in_the_record() -> None:
    odd = b"sk\xff ll".decode("utf-8", "surrogateescape")
    ds = pydicom.Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    apply_subject(ds, context(record={"file": odd}))
    assert read_record(ds) == {"file": odd}


def test_the_record_survives_implicit_vr(tmp_path: Path) -> None:
    written = write(tmp_path / "x", values((5, 8, 7), "i2"), oblique())
    ds = pydicom.dcmread(written.path)
    buffer = BytesIO()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    pydicom.dcmwrite(buffer, ds, implicit_vr=True, little_endian=True, enforce_file_format=True)
    buffer.seek(0)
    assert read_record(pydicom.dcmread(buffer)) == read_record(ds)
    assert json.loads(json.dumps(read_record(ds)))["series"]["label"] == "x"


def test_payloads_come_back(tmp_path: Path) -> None:
    everything(tmp_path, context())
    assert read_payload(pydicom.dcmread(tmp_path / "stl")) == b"solid" * 17
    assert read_payload(pydicom.dcmread(tmp_path / "raw")) == b"<MRML/>"


def test_terms_are_found_under_any_of_their_names() -> None:
    for metadata in (
        {"species": "Mus musculus"},
        {"PatientSpeciesDescription": "Mus musculus"},
        {"dwc:scientificName": "Mus musculus"},
        {"genus": "Mus", "Specific Epithet": "musculus"},
        {"Genus": "Mus", "species": "musculus"},
        {"specimen.genus": "Mus", "specimen.specificEpithet": "musculus"},
    ):
        assert subject_terms(metadata).species == "Mus musculus"
    assert subject_terms({"weight": 24.1}).weight_kg is None  # no unit, no guess
    assert subject_terms({"weight_g": 24.1}).weight_kg == pytest.approx(0.0241)
    assert subject_terms({"sex": "unknown"}).sex == ""


@pytest.mark.parametrize(
    ("text", "age"),
    [("56 d", "056D"), ("8 weeks", "008W"), ("P56", ""), ("1200 days", "171W"), ("1.5 y", "548D"), ("056D", "056D")],
)
def test_ages(text: str, age: str) -> None:
    assert age_string(text) == age


def test_dates_are_never_invented() -> None:
    assert date_string("2026-11-22") == "20261122"
    assert date_string("2026-11") == date_string("") == date_string("last year") == date_string("2026-13-01") == ""


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e30, max_value=1e30))
def test_decimal_strings_fit_and_are_close(number: float) -> None:
    text = decimal_string(number)
    assert len(text) <= 16
    assert float(text) == pytest.approx(number, rel=1e-9, abs=1e-12)


def test_numbers_that_are_none_are_refused() -> None:
    for number in (float("nan"), float("inf")):
        with pytest.raises(Invalid):
            decimal_string(number)


@given(st.text(), st.sampled_from(["SH", "LO", "PN", "UC", "ST", "UT"]))
def test_fitted_text_fits(text: str, vr: str) -> None:
    assert fit_text(vr, fit_text(vr, text)) == fit_text(vr, text)
