from __future__ import annotations

from pathlib import Path

import pytest

from vasculum.errors import Unreadable
from vasculum.formats.mrml import Scene, read_scene
from vasculum.formats.registry import recognise
from vasculum.model.kinds import Kind

SCENE = """<?xml version="1.0" encoding="UTF-8"?>
<MRML version="Slicer 5.8.1 33241" userTags="">
 <VolumeArchetypeStorage id="s1" fileName="Data/K%C3%B6pf%20%25%26.nrrd" fileListMember0="Data/K%C3%B6pf%20%25%26.nrrd"
  fileListMember1="Data/second.raw"/>
 <Volume id="v1" name="CT" references="display:d1;storage:s1;" attributes="vasculum.id:a%3Bb;note:x:y"/>
 <SegmentationStorage id="s2" fileName="../other/s.seg.nrrd"/>
 <Segmentation id="g1" name="Skull" references="storage:s2;"/>
 <ModelStorage id="s3" fileName="C:\\Users\\somebody\\m.vtk"/>
 <Model id="m1" name="M" storageNodeRef="s3"/>
 <ModelStorage id="s4" fileName="https://example.org/x.ply"/>
</MRML>
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "scene.mrml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_nodes_own_the_files_of_their_storages(tmp_path: Path) -> None:
    path = write(tmp_path, SCENE)
    (tmp_path / "Data").mkdir()
    (tmp_path / "Data" / "Köpf %&.nrrd").write_bytes(b"x")
    described = Scene().describe(path)
    assert [(r.target, r.how, r.role) for r in described.references] == [
        ("Data/Köpf %&.nrrd", "path", "Volume"),
        ("Data/second.raw", "path", "Volume"),
        ("../other/s.seg.nrrd", "path", "Segmentation"),
        ("C:/Users/somebody/m.vtk", "absolute-path", "Model"),
        ("https://example.org/x.ply", "url", "ModelStorage"),
    ]
    findings = {f.code: f.text for f in described.findings}
    assert findings["missing-members"].startswith("1 of 2 ")
    assert set(findings) == {"missing-members", "climbing-reference", "absolute-reference", "remote-reference"}
    assert not any("somebody" in text for text in findings.values())
    assert described.attributes["mrml.version"] == ("Slicer 5.8.1 33241",)
    assert described.attributes["mrml.names.Segmentation"] == ("Skull",)
    assert described.attributes["mrml.nodes.ModelStorage"] == (2,)
    volume = next(n for n in read_scene(path) if n.tag == "Volume")
    assert volume.attributes == {"vasculum.id": "a;b", "note": "x:y"}
    assert volume.files == ("Data/Köpf %&.nrrd", "Data/second.raw")


def test_a_path_that_leaves_and_returns_climbs(tmp_path: Path) -> None:
    outside = tmp_path / "inner" / "scene.mrml"
    outside.parent.mkdir()
    outside.write_text('<MRML><ModelStorage id="s" fileName="../inner/scene.mrml"/></MRML>')
    codes = [f.code for f in Scene().describe(outside).findings]
    assert codes == ["climbing-reference"]


def test_latin_1_without_a_declaration(tmp_path: Path) -> None:
    path = write(tmp_path, '<MRML><Model name="Schädel" fileName="Schädel.vtk"/></MRML>'.encode("latin-1"))
    assert Scene().describe(path).attributes["mrml.names.Model"] == ("Schädel",)


def test_declared_latin_1(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<MRML><Model name="Schädel" fileName="a.vtk"/></MRML>'
    assert Scene().describe(write(tmp_path, text.encode("latin-1"))).attributes["mrml.names.Model"] == ("Schädel",)


@pytest.mark.parametrize(
    "content",
    [
        '<!DOCTYPE M [<!ENTITY x SYSTEM "file:///etc/passwd">]><MRML a="1">&x;</MRML>',
        '<!DOCTYPE l [<!ENTITY a0 "lol">'
        + "".join(f'<!ENTITY a{i} "' + f"&a{i - 1};" * 10 + '">' for i in range(1, 11))
        + "]><MRML>&a10;</MRML>",
        '<!DOCTYPE M SYSTEM "http://example.org/m.dtd"><MRML/>',
        "<MRML><Volume",
        "<Other><MRML/></Other>",
    ],
)
def test_hostile_and_broken_scenes_are_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(Unreadable):
        Scene().describe(write(tmp_path, content))


def test_real_scenes(shared_data: Path) -> None:
    files = sorted(shared_data.rglob("*.mrml"))
    assert len(files) == 25
    for path in files:
        described = recognise(path).describe(path)
        assert (described.format, described.kind) == ("mrml", Kind.SCENE)
    (utf8,) = shared_data.rglob("cube-utf8.mrml")
    assert [(r.target, r.role) for r in Scene().describe(utf8).references] == [("TestData/fixed.nrrd", "Volume")]
    (afids,) = shared_data.rglob("PHASE3_afids.mrml")
    described = Scene().describe(afids)
    roles = {r.target: r.role for r in described.references}
    assert roles["pallidum_L.vtk"] == "Model"
    assert {r for t, r in roles.items() if t.endswith(".fcsv")} == {"MarkupsFiducial"}
    assert sum(t.endswith(".nii.gz") for t in roles) >= 6
