"""DICOMDIR over files where they lie."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.fileset import FileSet

from tests.dicom.specimens import MOUSE, assert_conformant, context, oblique, values, write
from tests.dicom.test_subject import everything
from tests.interop import require
from vasculum.dicom.fileset import record_type, write_dicomdir
from vasculum.errors import Invalid
from vasculum.model.kinds import SubjectKind


def staged(root: Path) -> list[str]:
    """Stage the objects of one specimen, and one of another, under names that a file-set allows."""
    loose = root / "loose"
    loose.mkdir()
    paths = everything(loose, context())
    other = context(SubjectKind.PATIENT, "P 2", {})
    paths.append(write(loose / "other", values((5, 8, 7), "i2"), oblique(), context=other).path)
    (root / "DICOM").mkdir()
    names = []
    for number, path in enumerate(paths, 1):
        names.append(f"DICOM/IM{number:06d}")
        path.rename(root / names[-1])
    return names


def test_pydicom_reads_every_record(tmp_path: Path) -> None:
    require("dciodvfy")
    names = staged(tmp_path)
    write_dicomdir(tmp_path, names, file_set_id="AMNH 123")
    assert_conformant(tmp_path / "DICOMDIR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = FileSet(tmp_path / "DICOMDIR")
        assert files.ID == "AMNH 123"
        assert len(files) == len(names)
        for instance in files:
            path = Path(instance.path)
            assert path.relative_to(tmp_path).as_posix() in names
            assert pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID == instance.SOPInstanceUID
        assert sorted(files.find_values("PatientID")) == sorted(["P 2", context().subject_label])
        files._stage["t"].cleanup()  # kept by pydicom for changes, and warned of when it goes by itself
    types = {record.DirectoryRecordType for record in pydicom.dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence}
    assert types == {"PATIENT", "STUDY", "SERIES", "IMAGE", "ENCAP DOC", "RAW DATA"}


def test_strings_are_exact_in_the_directory(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    label = "BKS.Cg-Dock7m +/+ Leprdb/J Ñandú 日本"
    write(tmp_path / "A/B", values((5, 8, 7), "i2"), oblique(), context=context(label=label, metadata=MOUSE))
    write_dicomdir(tmp_path, ["A/B"])
    assert pydicom.dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence[0].PatientID == label


def test_offsets_lead_from_record_to_record(tmp_path: Path) -> None:
    names = staged(tmp_path)
    write_dicomdir(tmp_path, names)
    ds = pydicom.dcmread(tmp_path / "DICOMDIR")
    at = {record.seq_item_tell: record for record in ds.DirectoryRecordSequence}

    def walk(offset: int) -> list[str]:
        found = []
        while offset:
            record = at[offset]
            if "ReferencedFileID" in record:
                found.append("/".join(record.ReferencedFileID))
            found += walk(record.OffsetOfReferencedLowerLevelDirectoryEntity)
            offset = record.OffsetOfTheNextDirectoryRecord
        return found

    first = ds.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity
    assert sorted(walk(first)) == names
    assert at[ds.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity].PatientID == "P 2"


def test_only_headers_are_read(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    written = write(tmp_path / "A/B", values((5, 8, 7), "i2"), oblique())
    with written.path.open("r+b") as stream:
        stream.truncate(written.pixel_offset)
    write_dicomdir(tmp_path, ["A/B"])
    assert (tmp_path / "DICOMDIR").is_file()


@pytest.mark.parametrize("name", ["image.dcm", "dicom/im1", "../A", "/A", "A//B", "TOOLONGNAME", "A/../B", ""])
def test_names_that_are_no_file_ids_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid):
        write_dicomdir(tmp_path, [name])
    with pytest.raises(Invalid):
        write_dicomdir(tmp_path, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sop_class_uid", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.2.1", "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.66.7", "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.66.5", "SURFACE"),
        ("1.2.840.10008.5.1.4.1.1.66", "RAW DATA"),
        ("1.2.840.10008.5.1.4.1.1.88.34", "SR DOCUMENT"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "KEY OBJECT DOC"),
        ("1.2.840.10008.5.1.4.1.1.104.3", "ENCAP DOC"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "RT STRUCTURE SET"),
    ],
)
def test_record_types(sop_class_uid: str, kind: str) -> None:
    assert record_type(sop_class_uid) == kind
