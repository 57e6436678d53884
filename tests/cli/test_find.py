"""``vasculum find``, ``show`` and ``set``."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from tests.command import Command

STRAIN = "BKS.Cg-Dock7m +/+ Leprdb/J"


def test_find_json_is_a_list(filled: Path, command: Command) -> None:
    found = command("find", "--repo", filled, "--json").json
    assert isinstance(found, list)
    assert {entry["kind"] for entry in found} == {"volume", "segmentation", "table"}
    assert command("find", "--repo", filled, "--json", "nothing-is-called-so").json == []


def test_words_are_joined_to_one_query(filled: Path, command: Command) -> None:
    found = command("find", "--repo", filled, "--json", "kind:volume", "Modality:CT", "SliceThickness<2").json
    assert [entry["modality"] for entry in found] == ["CT"]


def test_columns_are_exact_in_json_and_csv(filled: Path, command: Command) -> None:
    arguments = (
        "find",
        "--repo",
        filled,
        "--level",
        "subject",
        "--columns",
        "strain,accession,locality",
        f'strain:"{STRAIN}"',
    )
    (row,) = command(*arguments, "--json").json
    assert (row["strain"], row["accession"]) == (STRAIN, "UWBM:Mamm:0082411")
    assert row["locality"] == "Ñandú 日本 (example)"
    (line,) = csv.DictReader(io.StringIO(command(*arguments, "--format", "csv").out))
    assert (line["strain"], line["accession"]) == (STRAIN, "UWBM:Mamm:0082411")
    assert line["locality"] == "Ñandú 日本 (example)"


def test_facets_count(filled: Path, command: Command) -> None:
    answer = command("find", "--repo", filled, "--facet", "kind", "--facet", "Modality", "--json").json
    counts = {(entry["field"], entry["value"]): entry["count"] for entry in answer}
    assert counts["kind", "volume"] == 2
    assert counts["Modality", "CT"] == 1
    table = command("find", "--repo", filled, "--facet", "kind").out
    assert "volume" in table


def test_a_table_folds_and_says_so(filled: Path, command: Command) -> None:
    called = command("find", "--repo", filled, "--limit", "1")
    assert "more (--limit 0 shows all)" in called.out
    assert "more" not in command("find", "--repo", filled, "--limit", "0").out


def test_order_and_offset(filled: Path, command: Command) -> None:
    up = command("find", "--repo", filled, "--json", "--order", "label").json
    down = command("find", "--repo", filled, "--json", "--order=-label").json
    labels = [entry["label"] for entry in up]
    assert labels == sorted(labels, key=str.casefold)
    assert [entry["label"] for entry in down] == labels[::-1]
    assert command("find", "--repo", filled, "--json", "--order", "label", "--offset", "1").json == up[1:]


def test_a_wrong_query_names_the_column(filled: Path, command: Command) -> None:
    called = command("find", "--repo", filled, "kind:volume AND (")
    assert called.code == 2
    assert "column" in called.err


def test_show_json_of_a_volume_has_its_geometry(filled: Path, command: Command) -> None:
    (volume,) = command("find", "--repo", filled, "--json", "kind:volume Modality:CT").json
    shown = command("show", "--repo", filled, "--json", volume["id"]).json
    geometry = shown["geometry"]
    assert np.asarray(geometry["affine_lps"]).shape == (4, 4)
    assert geometry["shape"] == [93, 64, 64]
    assert np.allclose(geometry["spacing"], [3.2, 3.2, 1.5])
    assert geometry["regular"] is True
    assert "64" in command("show", "--repo", filled, volume["id"]).out


def test_show_takes_a_label_and_folds_long_lists(filled: Path, command: Command) -> None:
    assert STRAIN in command("show", "--repo", filled, "mouse-skull-01").out
    (volume,) = command("find", "--repo", filled, "--json", "kind:volume Modality:CT").json
    folded = command("show", "--repo", filled, volume["id"]).out
    whole = command("show", "--repo", filled, "--all", volume["id"]).out
    assert "CTHead93.dcm" not in folded
    assert "CTHead93.dcm" in whole


def test_set_keeps_values_exactly(own: Path, command: Command) -> None:
    value = "  BKS.Cg-Dock7m +/+ Leprdb/J = 'x', \"y\"; Ñandú 日本\t"
    called = command("set", "--repo", own, "mouse-skull-01", f"strain={value}", "weight:=21.5", "--json")
    assert called.code == 0
    metadata = called.json["metadata"]
    assert metadata["strain"] == value
    assert metadata["weight"] == 21.5
    assert metadata["accession"] == "UWBM:Mamm:0082411"
    removed = command("set", "--repo", own, "mouse-skull-01", "weight:=null", "--json").json["metadata"]
    assert "weight" not in removed
    assert "Set 1 field" in command("set", "--repo", own, "mouse-skull-01", "sex=f").out


def test_something_unknown_is_one_line(filled: Path, command: Command) -> None:
    called = command("show", "--repo", filled, "nobody")
    assert called.code == 3
    assert called.err.count("\n") == 1
