"""``vasculum import``: the plan, the report, and the JSON contract."""

from __future__ import annotations

import base64
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.command import Command
from vasculum.cli.plan_view import print_refusals
from vasculum.model.plans import FileOutcome, Outcome
from vasculum.samples import METADATA_TABLE, SAMPLES

FILE_KEYS = {"path", "outcome", "kind", "series", "reason"}


def _outcomes(answer: dict[str, Any]) -> Counter[str]:
    return Counter(file["outcome"] for file in answer["files"])


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Give a small folder with a volume, a table and a file that is refused."""
    folder = tmp_path / "scans"
    shutil.copytree(SAMPLES / "mouse-skull", folder / "mouse-skull")
    shutil.copy(SAMPLES / METADATA_TABLE, folder)
    (folder / "broken.nrrd").write_bytes(b"NRRD0004\ntype: nonsense\n\n")
    return folder


def test_a_plan_names_every_file_and_changes_nothing(scans: Path, tmp_path: Path, command: Command) -> None:
    called = command("import", "--plan", "--json", "--repo", tmp_path / "repository", scans)
    answer = called.json
    assert answer["planned"] is True
    assert not (tmp_path / "repository").exists()
    assert all(set(file) >= FILE_KEYS for file in answer["files"])
    assert {Path(file["path"]).name for file in answer["files"]} == {
        "mouse-skull.nrrd",
        "mouse-skull.seg.nrrd",
        "specimens.csv",
        "broken.nrrd",
    }
    assert _outcomes(answer) == {"imported": 3, "refused": 1}
    assert called.code == 1
    assert all(file["reason"] for file in answer["files"] if file["outcome"] == "refused")


def test_an_import_makes_the_repository_and_says_so(scans: Path, tmp_path: Path, command: Command) -> None:
    root = tmp_path / "repository"
    called = command("import", "--json", "--repo", root, scans, "--metadata", scans / METADATA_TABLE)
    answer = called.json
    assert "Made a repository" in called.err
    assert answer["planned"] is False
    ids = {series["key"]: series["id"] for series in answer["series"]}
    assert all(ids.values())
    assert {file["series"] for file in answer["files"] if file["outcome"] == "imported"} == set(ids.values())
    again = command("import", "--json", "--repo", root, scans, "--metadata", scans / METADATA_TABLE)
    assert _outcomes(again.json) == {"known": 3, "refused": 1}
    assert again.json["bytes_stored"] == 0
    volume = next(s for s in answer["series"] if s["kind"] == "volume")
    assert len(volume["geometry"]["affine_lps"]) == 4
    assert volume["geometry"]["shape"] == [112, 213, 116]
    subject = next(s for s in answer["subjects"] if s["label"] == "mouse-skull-01")
    assert subject["metadata"]["strain"] == "BKS.Cg-Dock7m +/+ Leprdb/J"
    assert subject["metadata"]["accession"] == "UWBM:Mamm:0082411"


def test_a_plan_for_people_groups_and_explains(scans: Path, tmp_path: Path, command: Command) -> None:
    called = command("import", "--plan", "--repo", tmp_path / "repository", scans)
    assert "Nothing has been changed" in called.out
    assert "broken.nrrd" in called.out
    assert "116×213×112" in called.out
    assert "5 segments" in called.out


def test_identities_are_counted(tmp_path: Path, command: Command) -> None:
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(SAMPLES / "head-ct" / "CTHead1.dcm", one)
    called = command("import", "--plan", "--repo", tmp_path / "repository", one)
    assert "identity: 1" in called.out
    assert "Austrialian" not in called.out + called.err


@pytest.mark.skipif(os.name == "nt", reason="file names are bytes on POSIX only")
def test_a_name_that_is_not_utf8_is_told_exactly(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    name = b"Schn\xe4del 100%&;.txt"
    try:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text("notes", "utf-8")  # noqa: PTH118
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    answer = command("import", "--plan", "--json", "--repo", tmp_path / "repository", folder).json
    (file,) = answer["files"]
    assert file["path"].endswith(r"Schn\xe4del 100%&;.txt")
    assert base64.b64decode(file["path_base64"]).endswith(name)
    assert command("import", "--plan", "--repo", tmp_path / "repository", folder).code == 0


def test_an_empty_folder_is_told(tmp_path: Path, command: Command) -> None:
    (tmp_path / "empty").mkdir()
    called = command("import", "--plan", "--repo", tmp_path / "repository", tmp_path / "empty")
    assert (called.code, "no files" in called.out) == (0, True)


def test_a_path_that_is_not_there_is_one_line(tmp_path: Path, command: Command) -> None:
    called = command("import", "--repo", tmp_path / "repository", tmp_path / "nowhere")
    assert called.code == 3
    assert "nowhere" in called.err
    assert "Traceback" not in called.err


def test_a_folder_of_something_else_never_becomes_a_repository(scans: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious", "utf-8")
    called = command("import", "--repo", tmp_path / "thesis", scans)
    assert called.code == 3
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_refusals_are_grouped_by_reason_and_folded(capsys: pytest.CaptureFixture[str]) -> None:
    files = [FileOutcome(path=f"a/{n}.dcm", outcome=Outcome.REFUSED, reason="too short") for n in range(1000)]
    files += [FileOutcome(path=f"b/{n}", outcome=Outcome.REFUSED, reason=f"reason {n}") for n in range(30)]
    print_refusals(files, everything=False)
    out = capsys.readouterr().out
    assert "1,000" in out
    assert "--all" in out
    assert len(out.splitlines()) < 40
    print_refusals(files, everything=True)
    assert "a/999.dcm" in capsys.readouterr().out
