"""Story S6: hard strings come back exactly, everywhere they go."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.command import Command
from tests.interop import require
from tests.stories.conftest import start

pytestmark = pytest.mark.interop

HARD = [
    "BKS.Cg-Dock7m +/+ Leprdb/J",
    "UWBM:Mamm:0082411",
    "Ñandú",
    "日本",
    'say "cheese", please; 50 % & more',
    "Müller's <mouse> #3 | a=b",
    "=SUM(A1)",
    "007",
    "Ελληνικά 𓃰 ‍✓",
]
"""Subject labels; also the strain of each."""


@dataclass(frozen=True)
class Stored:
    """A repository with a subject for every hard string, twice: from a table, and from a DICOM header."""

    root: Path
    sources: Path


def _strain(label: str) -> str:
    return f"{label}, strain"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Import NRRDs whose subjects a table names, and DICOM files whose Patient IDs do."""
    nrrd = require("nrrd")
    folder = tmp_path_factory.mktemp("hard strings; 100 %")
    rows = []
    for number, label in enumerate(HARD):
        voxels = np.full((4, 3, 2), number, np.int16)
        nrrd.write(str(folder / f"v{number}.nrrd"), voxels, {"space": "LPS", "space directions": np.eye(3) * 0.05})
        rows.append(
            {"file": f"v{number}.nrrd", "subject": label, "species": "Mus musculus", "strain": _strain(label)}
        )
        _dicom(folder / f"d{number}.dcm", f"{label} D"[:64], number)
    table = folder / "table.csv"
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    root = folder / "repository"
    called = start(
        "import", *folder.glob("*.nrrd"), *folder.glob("*.dcm"), "--metadata", table, "--repo", root, "--json"
    )
    assert called.code == 0, called.err + called.out[-3000:]
    return Stored(root, folder)


def _dicom(path: Path, patient: str, number: int) -> None:
    require("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"1.2.826.0.1.3680043.9.9.{number}.3"
    ds.StudyInstanceUID = f"1.2.826.0.1.3680043.9.9.{number}.1"
    ds.SeriesInstanceUID = f"1.2.826.0.1.3680043.9.9.{number}.2"
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientID, ds.PatientName, ds.Modality = patient, "Doe^Jo", "CT"
    ds.SeriesDescription = _strain(patient)[:64]
    ds.Rows = ds.Columns = 2
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 16, 16, 15, 1, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelSpacing, ds.SliceThickness = [1, 1], 1
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    ds.PixelData = np.full((2, 2), 100 + number, np.int16).tobytes()
    ds.save_as(path, enforce_file_format=True)


def test_subjects_are_listed_by_their_exact_labels(stored: Stored) -> None:
    wanted = {*HARD, *(f"{label} D" for label in HARD)}
    listed = start("find", "--level", "subject", "--json", "--repo", stored.root).json
    assert {subject["label"] for subject in listed} == wanted
    strains = {s["label"]: s["metadata"].get("strain") for s in listed}
    assert {label: strains[label] for label in HARD} == {label: _strain(label) for label in HARD}
    table = start(
        "find", "--level", "subject", "--columns", "subject,strain", "--format", "csv", "--repo", stored.root
    )
    rows = {row["subject"]: row["strain"] for row in csv.DictReader(io.StringIO(table.out))}
    assert rows == {label: strains[label] or "" for label in wanted}


@pytest.mark.parametrize("label", HARD)
def test_one_subject_is_found_shown_packed_and_read_again(
    stored: Stored, label: str, tmp_path: Path, command: Command
) -> None:
    quoted = label.replace("\\", "\\\\").replace('"', '\\"')
    for query, wanted in ((f'subject:"{quoted}"', label), (f'PatientID:"{quoted} D"', f"{label} D")):
        (series,) = command("find", query, "--json", "--repo", stored.root).json
        shown = command("show", series["id"], "--json", "--repo", stored.root).json
        assert shown["subject_label"] == wanted
        if wanted == label:
            assert shown["subject_metadata"]["strain"] == _strain(label)
        else:
            assert shown["attributes"]["PatientID"] == [wanted]
            assert shown["label"] == _strain(wanted)
        bundle = tmp_path / f"{len(wanted)}.mrb"
        packed = command("pack", wanted, "-o", bundle, "--repo", stored.root, "--json")
        assert packed.code == 0, packed.err
        _in_bundle(bundle, wanted, shown, tmp_path / "out", command)
    _again(bundle, wanted, tmp_path / "again", command)


def _in_bundle(bundle: Path, label: str, shown: dict[str, object], folder: Path, command: Command) -> None:
    pydicom = require("pydicom")
    from vasculum.dicom.subject import read_record

    record = command("inspect", bundle, "--json").json["metadata"]
    assert record["subject"]["label"] == label
    assert record["subject"]["metadata"] == shown["subject_metadata"]
    assert [series["label"] for series in record["series"]] == [shown["label"]]
    with zipfile.ZipFile(bundle) as archive:
        archive.extract("DICOM/IM000001", folder)
    dataset = pydicom.dcmread(folder / "DICOM/IM000001")
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.PatientID == label
    assert read_record(dataset)["subject"] == record["subject"]
    if "strain" in record["subject"]["metadata"]:
        assert dataset.StrainDescription == _strain(label)


def _again(bundle: Path, label: str, root: Path, command: Command) -> None:
    """Import the bundle as any MRB: its volume is read, and belongs to somebody called as before."""
    called = command("import", bundle, "--repo", root, "--json")
    assert called.code == 0, called.err + called.out[-2000:]
    assert [f["path"] for f in called.json["files"] if f["outcome"] == "refused"] == []
    volumes = [s for s in called.json["series"] if s["kind"] == "volume"]
    assert volumes
    subjects = {s["key"]: s["label"] for s in called.json["subjects"]}
    assert {subjects[volume["subject"]] for volume in volumes} == {label}


def test_exported_tables_hold_the_exact_strings(stored: Stored, tmp_path: Path) -> None:
    assert start("export", "", "-o", tmp_path, "--as", "csv", "--repo", stored.root).code == 0
    with (tmp_path / "series.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = {row["subject"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {*HARD, *(f"{label} D" for label in HARD)}
    assert {label: rows[label]["strain"] for label in HARD} == {label: _strain(label) for label in HARD}
    assert {rows[f"{label} D"]["label"] for label in HARD} == {_strain(f"{label} D") for label in HARD}


def test_setting_a_field_keeps_the_exact_string(stored: Stored, command: Command) -> None:
    for label in HARD:
        shown = command("set", label, f"note={label}", "--json", "--repo", stored.root)
        assert shown.code == 0, shown.err
        assert shown.json["metadata"]["note"] == label
    counted = start("find", "", "--level", "subject", "--facet", "note", "--json", "--repo", stored.root).json
    assert {entry["value"]: entry["count"] for entry in counted} == dict.fromkeys(HARD, 1)
    assert json.loads(json.dumps(counted)) == counted
