"""The scene as XML."""

from __future__ import annotations

from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from tests.bundle.specimens import HARD_STRINGS
from vasculum.bundle.scene import NODE_CLASSES, Branch, SceneObject, escape_pairs, write_scene, xml_text

SUBJECT = Branch(id="s", name="M-1", uid="M-1")
STUDY = Branch(id="t", name="scan", uid="1.2.3")


def _scene(*objects: SceneObject) -> bytes:
    return write_scene(objects, subject=SUBJECT, studies=[STUDY])


@given(
    st.text(max_size=30), st.text(max_size=30), st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=3)
)
def test_any_text_gives_well_formed_xml(name: str, file: str, marks: dict[str, str]) -> None:
    root = fromstring(_scene(SceneObject(tag="Volume", name=name, file=f"Data/{file}", marks=marks, study="t")))
    volume = root.find("Volume")
    assert volume.get("name") == xml_text(name)
    assert root.find("NRRDStorage").get("fileName").replace("%25", "%") == xml_text(f"Data/{file}")


@pytest.mark.parametrize("text", HARD_STRINGS)
def test_our_own_reader_gets_names_files_and_marks_back(tmp_path: Path, text: str) -> None:
    from vasculum.formats.mrml import read_scene

    one = SceneObject(
        tag="Volume", name="CT", file=f"Data/{text.replace('/', '_').replace(chr(92), '_')}", marks={"note": text}
    )
    (tmp_path / "s.mrml").write_bytes(_scene(one))
    (node,) = [n for n in read_scene(tmp_path / "s.mrml") if n.tag == "Volume"]
    assert node.files == (one.file,)
    assert node.attributes == {"vasculum.note": text}


def test_every_kind_of_node_has_its_storage_and_a_place_in_the_hierarchy() -> None:
    objects = [SceneObject(tag=tag, name=tag, file=f"Data/{tag}", study="t") for tag in NODE_CLASSES]
    root = fromstring(_scene(*objects))
    ids = [
        element.get("id") for element in root.iter() if element.get("id") and element.tag != "SubjectHierarchyItem"
    ]
    assert len(ids) == len(set(ids))
    for tag, kind in NODE_CLASSES.items():
        node = root.find(tag)
        storage = node.get("references").split("storage:")[1].split(";")[0]
        assert root.find(f"{kind.storage}[@id='{storage}']").get("fileName") == f"Data/{tag}"
        assert root.find(f".//SubjectHierarchyItem[@dataNode='{node.get('id')}']") is not None


def test_a_segmentation_names_the_volume_it_was_drawn_on() -> None:
    volume = SceneObject(tag="Volume", name="CT", file="Data/CT.nhdr", series="a")
    drawn = SceneObject(tag="Segmentation", name="S", file="Data/S.seg.nhdr", series="b", reference="a")
    references = fromstring(_scene(volume, drawn)).find("Segmentation").get("references")
    assert "referenceImageGeometryRef:vtkMRMLScalarVolumeNode1;" in references


def test_pairs_of_the_hierarchy_cannot_break_out() -> None:
    assert escape_pairs({"a^b": "c|d%"}) == "a%5Eb^c%7Cd%25|"
