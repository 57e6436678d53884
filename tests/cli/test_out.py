"""``vasculum pack``, ``inspect``, ``check``, ``export``, ``init`` and ``demo``."""

from __future__ import annotations

import csv
import hashlib
import shutil
from pathlib import Path

import nibabel
import nrrd
import pytest

from tests.command import Command
from vasculum.samples import SAMPLES


@pytest.fixture(scope="module")
def bundle(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a bundle of the mouse skull."""
    import vasculum

    target = tmp_path_factory.mktemp("packed") / "mouse-skull-01.mrb"
    with vasculum.open_repository(filled) as repository:
        repository.pack("mouse-skull-01", target)
    return target


def test_pack_tells_what_it_wrote(filled: Path, tmp_path: Path, command: Command) -> None:
    target = tmp_path / "out.mrb"
    answer = command("pack", "--repo", filled, "mouse-skull-01", "-o", target, "--json").json
    assert target.stat().st_size == answer["size"]
    assert any(member["name"] == "DICOMDIR" for member in answer["members"])
    again = command("pack", "--repo", filled, "mouse-skull-01", "-o", target)
    assert again.code == 3
    assert "Traceback" not in again.err


def test_inspect_lists_members_and_what_they_are(bundle: Path, command: Command) -> None:
    answer = command("inspect", bundle, "--json").json
    kinds = {member["kind"] for member in answer["members"]}
    assert {"volume", "segmentation"} <= kinds
    assert all({"name", "size", "kind", "what"} <= set(member) for member in answer["members"])
    assert "DICOMDIR" in command("inspect", bundle).out


def test_inspect_takes_any_file(command: Command) -> None:
    answer = command("inspect", SAMPLES / "mouse-skull" / "mouse-skull.nrrd", "--json").json
    (member,) = answer["members"]
    assert (member["kind"], member["format"]) == ("volume", "nrrd")


def test_check_finds_a_changed_byte_in_a_bundle(bundle: Path, tmp_path: Path, command: Command) -> None:
    assert command("check", bundle).code == 0
    assert command("check", bundle, "--json").json == {"path": str(bundle), "sound": True, "findings": []}
    damaged = tmp_path / "damaged.mrb"
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    called = command("check", damaged)
    assert called.code == 1
    assert "is damaged" in called.out


def test_check_finds_a_changed_byte_in_the_repository(own: Path, command: Command) -> None:
    assert command("check", "--all", "--repo", own).code == 0
    victim = max((p for p in (own / "objects").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    victim.chmod(0o644)
    content = bytearray(victim.read_bytes())
    content[100] ^= 1
    victim.write_bytes(content)
    called = command("check", "--all", "--repo", own, "--json")
    assert called.code == 1
    (damage,) = called.json["damaged"]
    assert damage["series"]
    assert called.json["sound"] is False
    assert damage["sha256"] in command("check", "--all", "--repo", own).out


def test_export_gives_the_original_bytes(filled: Path, tmp_path: Path, command: Command) -> None:
    answer = command("export", "--repo", filled, "kind:volume", "-o", tmp_path / "out", "--json").json
    assert answer["refused"] == []
    written = {hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() for name in answer["written"]}
    volumes = [*(SAMPLES / "head-ct").glob("*.dcm"), SAMPLES / "mouse-skull" / "mouse-skull.nrrd"]
    assert written == {hashlib.sha256(file.read_bytes()).hexdigest() for file in volumes}


def test_export_gives_nrrd_nifti_and_csv(filled: Path, tmp_path: Path, command: Command) -> None:
    arguments = ("export", "--repo", filled, "kind:volume Modality:CT", "-o", tmp_path)
    assert command(*arguments, "--as", "nrrd").code == 0
    assert command(*arguments, "--as", "nifti").code == 0
    (nrrd_file,), (nifti_file,) = tmp_path.rglob("*.nrrd"), tmp_path.rglob("*.nii.gz")
    values = nrrd.read(str(nrrd_file))[0]
    assert values.shape == (64, 64, 93)
    assert nibabel.load(nifti_file).shape == (64, 64, 93)
    command("export", "--repo", filled, "kind:volume", "-o", tmp_path, "--as", "csv")
    with (tmp_path / "series.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert "BKS.Cg-Dock7m +/+ Leprdb/J" in {row["strain"] for row in rows}


def test_init_makes_a_repository_once(tmp_path: Path, command: Command) -> None:
    called = command("init", tmp_path / "a b", "--json")
    assert (called.code, called.json) == (0, {"repository": str(tmp_path / "a b")})
    assert command("find", "--repo", tmp_path / "a b").out == "Nothing found.\n"
    again = command("init", tmp_path / "a b")
    assert again.code == 3
    assert "already" in again.err


def test_the_demo_runs_twice(tmp_path: Path, command: Command) -> None:
    first = command("demo", tmp_path / "demo")
    assert first.code == 0, first.err
    assert "is sound" in first.out
    assert "BKS.Cg-Dock7m +/+ Leprdb/J" in first.out
    assert "What to type next" in first.out
    second = command("demo", tmp_path / "demo", "--json")
    assert second.code == 0, second.err
    assert Path(second.json["bundle"]).is_file()
    found = command(
        "find", "--repo", tmp_path / "demo" / "repository", "--json", "has:segmentation(bone) kind:volume"
    )
    assert [entry["modality"] for entry in found.json] == ["CT"]


def test_the_demo_takes_a_folder_of_ones_own(tmp_path: Path, command: Command) -> None:
    shutil.copytree(SAMPLES / "mouse-skull", tmp_path / "mine")
    called = command("demo", tmp_path / "demo", "--data", tmp_path / "mine")
    assert called.code == 0, called.err
    assert "is sound" in called.out
