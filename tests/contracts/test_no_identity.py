"""No name, identifier or birth date of a person in errors, logs, plans or reports."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pydicom
import pytest

from tests.command import Command
from vasculum.samples import SAMPLES

NAME, IDENTIFIER, BIRTH = "Plantedname^Zebulon", "PLANTED-4711", "19010203"


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """Give DICOM files of one planted person: sound, cut off, damaged, and the same UID with other bytes."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in (1, 2, 3, 4):
        dataset = pydicom.dcmread(SAMPLES / "head-ct" / f"CTHead{number}.dcm")
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, IDENTIFIER, BIRTH
        dataset.save_as(folder / f"{number}.dcm")
    shutil.copy(folder / "1.dcm", folder / "again.dcm")
    whole = (folder / "2.dcm").read_bytes()
    (folder / "cut.dcm").write_bytes(whole[:1200])
    (folder / "other-bytes.dcm").write_bytes(whole[:-2] + b"\1\1")
    (folder / "damaged.dcm").write_bytes(whole[:400] + b"\xff" * 80 + whole[480:])
    return folder


def test_what_is_printed_names_no_one(
    patients: Path,
    tmp_path: Path,
    command: Command,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    root = tmp_path / "repository"
    calls = [
        command("import", "--repo", root, patients),
        command("import", "--repo", root, patients / "cut.dcm", patients / "damaged.dcm"),
        command("find", "--repo", root, "kind:volume AND ("),
        command("export", "--repo", root, "kind:volume", "-o", tmp_path / "out"),
        command("check", "--all", "--repo", root),
    ]
    # The label of a subject is its PatientID, which people who may see the repository must see: the plan and the
    # tables show it. The name and the birth date are shown by `show` alone, and logs and errors show none of the three.
    for call in calls:
        for planted in (NAME, "Plantedname", "Zebulon", BIRTH):
            assert planted not in call.out
        for planted in (NAME, "Plantedname", "Zebulon", BIRTH, IDENTIFIER):
            assert planted not in call.err
    for planted in (NAME, "Plantedname", "Zebulon", BIRTH, IDENTIFIER):
        assert planted not in caplog.text
