from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import slicer_session
from tests.interop import require
from vasculum.errors import Invalid, Unreadable, Unsupported
from vasculum.formats import markups
from vasculum.formats.markups import AnnotationCsv, FiducialCsv, MarkupsJson
from vasculum.formats.registry import recognise
from vasculum.model.description import Landmark

coordinate = st.floats(allow_nan=False, allow_infinity=False)
any_text = st.text(st.characters(codec=None), max_size=20)
one_line = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",)), max_size=20)


def landmarks(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Landmark]]:
    one = st.builds(
        Landmark,
        label=texts,
        position=st.tuples(coordinate, coordinate, coordinate),
        id=texts.filter(bool),
        description=texts,
    )
    return st.lists(one, max_size=5)


@given(marks=landmarks(any_text), name=any_text)
def test_json_gives_back_exactly_what_was_written(tmp_path: Path, marks: list[Landmark], name: str) -> None:
    path = tmp_path / "a.mrk.json"
    markups.write_json(path, marks, name)
    described = MarkupsJson().describe(path)
    assert described.landmarks == tuple(marks)
    assert described.title == (name or "a")


@given(marks=landmarks(one_line))
def test_fcsv_gives_back_exactly_what_was_written(tmp_path: Path, marks: list[Landmark]) -> None:
    path = tmp_path / "a.fcsv"
    markups.write_fcsv(path, marks)
    assert FiducialCsv().describe(path).landmarks == tuple(marks)


def test_undefined_points_stay_undefined(tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    markups.write_json(path, [Landmark(label="lost", position=(float("nan"), 0, 0), id="1", defined=False)], "n")
    (mark,) = MarkupsJson().describe(path).landmarks
    assert (mark.label, mark.defined) == ("lost", False)


def test_writers_refuse_what_they_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        markups.write_json(tmp_path / "a.mrk.json", [Landmark(label="", position=(float("inf"), 0, 0))], "n")
    with pytest.raises(Invalid):
        markups.write_fcsv(tmp_path / "a.fcsv", [Landmark(label="two\nlines", position=(0, 0, 0))])
    assert list(tmp_path.iterdir()) == []


def test_ras_becomes_lps_and_micrometres_become_millimetres(tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    point = {"label": "p", "position": [0.1, -0.2, 0.3]}
    for system, units, expected in (
        ("RAS", "mm", (-0.1, 0.2, 0.3)),
        ("LPS", "mm", (0.1, -0.2, 0.3)),
        ("LPS", ["um", "UCUM", "micrometer"], (0.1 * 1e-3, -0.2 * 1e-3, 0.3 * 1e-3)),
    ):
        markup = {"type": "Curve", "coordinateSystem": system, "coordinateUnits": units, "controlPoints": [point]}
        path.write_text(json.dumps({"markups": [markup]}))
        described = MarkupsJson().describe(path)
        assert described.landmarks[0].position == expected
        assert described.attributes["markups.type"] == ("Curve",)


def test_everything_else_is_kept_in_attributes(tmp_path: Path) -> None:
    path = tmp_path / "plane.mrk.json"
    content = {
        "@schema": markups.SCHEMA,
        "markups": [
            {
                "type": "Plane",
                "coordinateSystem": "LPS",
                "controlPoints": [{"position": [1, 2, 3], "positionStatus": "preview", "locked": True, "mine": "x"}],
                "measurements": [{"name": "length", "value": 12.5, "units": "mm"}],
                "display": {"color": [1.0, 0.5, 0.0]},
            }
        ],
    }
    path.write_text(json.dumps(content))
    described = MarkupsJson().describe(path)
    assert described.attributes["markups.measurements.value"] == (12.5,)
    assert described.attributes["markups.display.color"] == (1.0, 0.5, 0.0)
    assert described.attributes["markups.controlPoints.mine"] == ("x",)
    assert not described.landmarks[0].defined


@pytest.mark.parametrize(
    "content",
    [
        b'{"markups": 3}',
        b'{"markups": [{"controlPoints": {"a": 1}}]}',
        b'{"markups": [{"controlPoints": [1]}]}',
        b'{"markups": [' + b"[" * 100_000,
        b'{"markups": ',
    ],
)
def test_damaged_json_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        MarkupsJson().describe(path)


def test_positions_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_text('{"markups": [{"controlPoints": [{"position": [1, NaN, 3]}, {"position": ["a", 2, 3]}]}]}')
    described = MarkupsJson().describe(path)
    assert [m.defined for m in described.landmarks] == [False, False]
    assert [f.code for f in described.findings] == ["bad-position", "bad-position"]


def test_fcsv_of_slicer_4_is_ras_unless_it_says_lps(tmp_path: Path) -> None:
    path = tmp_path / "a.fcsv"
    for code, x in (("0", -1.0), ("RAS", -1.0), ("1", 1.0), ("LPS", 1.0)):
        path.write_text(
            f"# Markups fiducial file version = 4.11\n# CoordinateSystem = {code}\n"
            '# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\nF_1,1,2,3,0,0,0,1,1,1,0,"a, b",d,\n'
        )
        (mark,) = FiducialCsv().describe(path).landmarks
        assert (mark.position[0], mark.label, mark.description, mark.id) == (x, "a, b", "d", "F_1")
    path.write_text("# Markups fiducial file version = 4.4\n# CoordinateSystem = 2\n")
    with pytest.raises(Unsupported):
        FiducialCsv().describe(path)


def test_real_files_equal_what_slicer_says(shared_data: Path) -> None:
    """Positions of the 108 lists of the AFIDs study, read once more by hand; RAS in the files."""
    files = sorted((shared_data / "markups").rglob("*.fcsv")) + sorted((shared_data / "scenes").rglob("*.fcsv"))
    assert len(files) == 112
    for path in files:
        described = recognise(path).describe(path)
        rows = [
            r for r in csv.reader(path.read_text(encoding="utf-8").splitlines()) if r and not r[0].startswith("#")
        ]
        x, label = (0, 11) if len(rows[0]) > 6 else (0, 0)
        wanted = [(-float(r[x + 1]), -float(r[x + 2]), float(r[x + 3])) for r in rows]
        assert [m.position for m in described.landmarks] == wanted, path.name
        assert [m.label for m in described.landmarks] == [r[label] for r in rows]


def test_slicer_3_list_has_labels_and_a_name(shared_data: Path) -> None:
    (path,) = shared_data.rglob("slicer3.fcsv")
    described = FiducialCsv().describe(path)
    assert (len(described.landmarks), described.title) == (56, "midsag")
    assert described.landmarks[0] == Landmark(label="midsag2", position=(-12.5, 93.5, 7.5))


def test_annotation_of_slicer_4(shared_data: Path) -> None:
    (path,) = shared_data.rglob("slicer4.acsv")
    described = AnnotationCsv().describe(path)
    assert described.landmarks == (Landmark(label="F", position=(-64.2531, -3.69, 62.886)),)


def test_mouse_landmarks(shared_data: Path) -> None:
    files = sorted((shared_data / "specimen-mouse-ct").rglob("*.mrk.json"))
    assert len(files) == 8
    for path in files:
        described = MarkupsJson().describe(path)
        raw = json.loads(path.read_text())["markups"][0]["controlPoints"]
        assert [m.position for m in described.landmarks] == [tuple(p["position"]) for p in raw]


@pytest.mark.interop
@pytest.mark.slow
def test_slicer_reads_what_we_write(tmp_path: Path) -> None:
    require("slicer", "Slicer's own markups readers")
    marks = [
        Landmark(label="Ñandú", position=(0.1, -2.5, 1e-7), id="7"),
        Landmark(label="日本", position=(1, 2, 3), id="8"),
    ]
    markups.write_json(tmp_path / "a.mrk.json", marks, "n")
    markups.write_fcsv(tmp_path / "b.fcsv", marks)
    nodes = (
        '<MarkupsJsonStorage id="s1" fileName="a.mrk.json"/><MarkupsFiducial id="m1" name="A" references="storage:s1;"/>'
        '<MarkupsFiducialStorage id="s2" fileName="b.fcsv"/><MarkupsFiducial id="m2" name="B" references="storage:s2;"/>'
    )
    with zipfile.ZipFile(tmp_path / "s.mrb", "w") as scene:
        scene.writestr("s/s.mrml", f"<MRML>{nodes}</MRML>")
        for name in ("a.mrk.json", "b.fcsv"):
            scene.write(tmp_path / name, f"s/{name}")
    found = slicer_session.load(tmp_path / "s.mrb", tmp_path / "out")
    assert len(found["markups"]) == 2
    for one in found["markups"]:
        assert [p["label"] for p in one["points"]] == [m.label for m in marks]
        for point, mark in zip(one["points"], marks, strict=True):
            assert np.array_equal(np.array(point["position"]) * (-1, -1, 1), mark.position)
