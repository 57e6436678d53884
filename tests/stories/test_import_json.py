"""Story S1: the JSON of an import is a contract: one entry for every file met, of every kind, the malformed included."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.stories.conftest import Everything, start
from vasculum.model.kinds import Kind

OUTCOMES = {"imported", "known", "refused", "skipped"}
KINDS = {str(kind) for kind in Kind}
ENTRY = {"path", "outcome", "kind", "series", "reason"}


@pytest.fixture(scope="module")
def planned(everything: Everything, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What ``import --plan --json`` says of all shared files, where nothing is known yet."""
    nowhere = tmp_path_factory.mktemp("plan") / "no repository"
    called = start("import", "--plan", "--json", everything.data, "--repo", nowhere)
    assert called.code == everything.code
    assert not nowhere.exists(), "a plan changes nothing"
    return called.json


def _on_disk(data: Path) -> set[str]:
    return {str(Path(folder) / name) for folder, _, names in os.walk(data) for name in names}


def test_there_is_one_entry_for_every_file(everything: Everything, planned: Any) -> None:
    wanted = _on_disk(everything.data)
    for said in (everything.report, planned):
        paths = Counter(entry["path"] for entry in said["files"])
        assert [path for path, count in paths.items() if count > 1] == []
        assert {path for path in paths if "!/" not in path} == wanted


def test_every_entry_keeps_the_contract(everything: Everything, planned: Any) -> None:
    for said in (everything.report, planned):
        series = {s["id"] or s["key"] for s in said["series"]} | {s["key"] for s in said["series"]}
        for entry in said["files"]:
            assert entry.keys() - {"path_base64"} == ENTRY, entry
            assert entry["outcome"] in OUTCOMES
            assert entry["kind"] is None or entry["kind"] in KINDS
            if entry["outcome"] in {"imported", "known"}:
                assert entry["kind"], entry
                assert entry["series"] in series, entry
            else:
                assert len(entry["reason"].split()) > 2, entry
                assert entry["series"] == "", entry


def test_the_import_does_what_the_plan_said(everything: Everything, planned: Any) -> None:
    def outcomes(said: Any) -> dict[str, tuple[str, str]]:
        return {entry["path"]: (entry["outcome"], entry["kind"]) for entry in said["files"]}

    assert outcomes(everything.report) == outcomes(planned)
    assert planned["planned"] is True and everything.report["planned"] is False
    assert {"repository", "seconds", "bytes_stored"} <= everything.report.keys()
    refused = [e for e in planned["files"] if e["outcome"] == "refused"]
    assert everything.code == (1 if refused else 0)
    counted = Counter(e["outcome"] for e in planned["files"])
    assert counted["imported"] > 1100 and counted["refused"] < 10, counted


def test_series_and_subjects_are_complete(planned: Any) -> None:
    subjects = {subject["key"] for subject in planned["subjects"]}
    for subject in planned["subjects"]:
        assert subject.keys() >= {"key", "label", "kind", "issuer", "metadata", "why"}
        assert subject["label"] and subject["why"]
    for series in planned["series"]:
        assert series["subject"] in subjects
        assert series["kind"] in KINDS and series["format"] and series["uid"] and series["why"]
        geometry = series["geometry"]
        if geometry is not None:
            assert len(geometry["affine_lps"]) == 4 and len(geometry["shape"]) == len(geometry["spacing"]) == 3
            assert isinstance(geometry["regular"], bool)


def test_a_second_import_changes_nothing(everything: Everything) -> None:
    before = start("find", "--json", "--repo", everything.root).json
    again = start("import", everything.data, "--repo", everything.root, "--json")
    assert again.code == everything.code
    assert {e["outcome"] for e in again.json["files"]} <= {"known", "refused", "skipped"}
    assert again.json["bytes_stored"] == 0
    assert start("find", "--json", "--repo", everything.root).json == before


def test_every_byte_is_as_it_was_stored(everything: Everything) -> None:
    checked = start("check", "--all", "--json", "--repo", everything.root)
    assert (checked.code, checked.json["sound"], checked.json["damaged"]) == (0, True, [])


# --- searches of the main job ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "least"),
    [
        ('species:"Mus musculus"', 2),
        ("Modality:CT SliceThickness<2", 1),
        ('has:segmentation("mandible")', 1),
        ("kind:landmarks landmarks>=12", 8),
        ("skull", 1),
        ("derived-from:C57BL6_J_", 1),
        ("voxel<0.05", 1),
        ("kind:volume NOT modality:CT (format:nrrd OR format:nifti)", 10),
    ],
)
def test_searches_find_what_is_there(everything: Everything, query: str, least: int) -> None:
    found = start("find", query, "--json", "--repo", everything.root)
    assert found.code == 0
    assert isinstance(found.json, list) and len(found.json) >= least
    assert all({"level", "id", "subject", "study", "kind", "label"} <= entry.keys() for entry in found.json)


def test_what_is_found_is_right(everything: Everything) -> None:
    thin = start("find", "Modality:CT SliceThickness<2", "--columns", "Modality,SliceThickness", "--json",
                 "--repo", everything.root).json  # fmt: skip
    for entry in thin:
        thickness = entry["SliceThickness"]
        assert entry["Modality"] == "CT"
        assert min(thickness if isinstance(thickness, list) else [thickness]) < 2
    mice = start("find", 'species:"Mus musculus"', "--columns", "species", "--json", "--repo", everything.root).json
    assert {entry["species"] for entry in mice} == {"Mus musculus"}


def test_facets_count_every_series_once(everything: Everything) -> None:
    counted = start("find", "--facet", "Modality", "--json", "--repo", everything.root).json
    assert {entry["field"] for entry in counted} == {"Modality"}
    by_value = {entry["value"]: entry["count"] for entry in counted}
    for value in ("CT", "MR"):
        found = start("find", f"Modality:{value}", "--json", "--repo", everything.root).json
        assert by_value[value] == len(found) > 0


@pytest.mark.parametrize(
    ("query", "column", "suggestion"),
    [
        ("Modalty:CT", 1, "did you mean modality?"),
        ("kind:volume SliceThicknes<2", 13, "SliceThickness"),
        ("kind:(", None, ""),
    ],
)
def test_a_query_that_cannot_be_read_says_where(
    everything: Everything, query: str, column: int | None, suggestion: str
) -> None:
    called = start("find", query, "--json", "--repo", everything.root)
    assert (called.code, called.out) == (2, "")
    assert called.err.count("\n") == 1
    assert f"column {column}" in called.err if column else "column" in called.err
    assert suggestion in called.err


def test_show_of_everything_is_json(everything: Everything) -> None:
    import vasculum
    from vasculum.cli.printing import json_ready

    with vasculum.open_repository(everything.root) as repository:
        for level in ("subject", "study", "series"):
            for one in repository.find(level=level):
                json.dumps(json_ready(repository.show(one.id)), allow_nan=False)
