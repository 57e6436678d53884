"""Records come back exactly, replace each other by id, and are written all or not at all."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.catalog import Catalog
from vasculum.errors import Conflict, NotFound
from vasculum.model.description import DicomIdentity, Part, Reference, Voxels
from vasculum.model.kinds import Kind, SubjectKind
from vasculum.model.query import Level
from vasculum.model.records import Activity, Agent, Blob, Instance, Project, Study, Subject

from .samples import NOW, STRAIN, grid, put, put_subject, record, stored

anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
hard = st.sampled_from(
    [
        "",
        STRAIN,
        "UWBM:Mamm:0082411",
        "Ñandú",
        "日本",
        "a;b%c&d",
        "\x00nul",
        "\x1a0041",
        "caf\udce9.nrrd",
        "'\"\\",
        "x" * 2000,
    ]
)
strings = hard | anything


@given(
    label=strings,
    note=strings,
    part=strings,
    deep=st.dictionaries(strings, strings | st.integers() | st.booleans(), max_size=3),
)
def test_any_string_comes_back_exactly(
    catalog: Catalog, label: str, note: str, part: str, deep: dict[str, Any]
) -> None:
    series, description = record("s", label=label, metadata={"note": note, "deep": deep})
    attributes = {"Note": (note, label), part: (1, 2.5, "x")}
    description = replace(
        description, parts=(Part(name=part),), attributes=attributes, header=b"\x00h", differences=b"d"
    )
    file = stored(part, 7)
    with catalog.transaction() as writer:
        put_subject(writer, label=label, metadata=deep, issuer=note)
        put(writer, (series, description))
        writer.put_files("s", [file])
        writer.put_sources([(part, 1, 2, "ab" * 32)])
    assert catalog.description("s") == description
    assert catalog.series("s").label == label
    assert file in catalog.series("s").files
    assert catalog.subject("mouse") == Subject(
        id="mouse", project="p1", label=label or "mouse", issuer=note, metadata=deep
    )
    assert catalog.sources([part, "other"]) == {part: (1, 2, "ab" * 32)}
    if note:
        assert catalog.columns(Level.SERIES, ["s"], ["Note"])[0]["Note"][0] == note
        assert note in dict(catalog.facets("id:s", "issuer"))
    assert catalog.subject_by_label("p1", label or "mouse", note) is not None


def test_a_series_comes_back_whole(bred: Catalog) -> None:
    ct = bred.series("ct")
    assert [file.name for file in ct.files] == ["a.tif", "b.tif"]
    assert ct.files[1].blob == Blob(sha256=f"{2:064x}", size=90)
    assert ct.geometry == grid(0.02, 1000)
    assert ct.imported == NOW
    assert bred.series("skull").sources == ("clean",)
    assert bred.series("skull").segments[0].type is not None
    assert bred.series("points").landmarks[2].defined is False
    assert bred.find("id:ct")[0] == replace(ct, files=())
    assert [s.id for s in bred.children(Level.STUDY, "patient-study")] == ["head", "brain"]
    assert [s.id for s in bred.children(Level.SUBJECT, "mouse")] == ["mouse-study"]


def test_everything_of_a_description_comes_back(catalog: Catalog) -> None:
    series, description = record("s", geometry=grid(1))
    identity = DicomIdentity(
        sop_class_uid="1.2",
        sop_instance_uid="1.3",
        study_instance_uid="1.4",
        series_instance_uid="1.5",
        transfer_syntax_uid="1.6",
    )
    description = replace(
        description,
        voxels=Voxels(dtype="<i2", axes="kji", sizes=(10, 20, 30), slope=0.5),
        references=(Reference(target="../x.nrrd", how="path"),),
        dicom=identity,
        instances=(identity, replace(identity, sop_instance_uid="1.3.1")),
        members=("a/b.nrrd",),
    )
    with catalog.transaction() as writer:
        put_subject(writer)
        put(writer, (series, description))
    assert catalog.description("s") == description


def test_headers_are_joined_from_what_equals_and_what_differs(catalog: Catalog) -> None:
    import json

    import zstandard

    series, description = record("s", format="dicom")
    pack = zstandard.ZstdCompressor().compress
    common = {"00080060": {"vr": "CS", "Value": ["CT"]}, "00200011": {"vr": "IS", "Value": [3]}}
    own = [{"00200013": {"vr": "IS", "Value": [n]}, "00080018": {"vr": "UI", "Value": [f"1.{n}"]}} for n in (1, 2)]
    description = replace(
        description, header=pack(json.dumps(common).encode()), differences=pack(json.dumps(own).encode())
    )
    with catalog.transaction() as writer:
        put_subject(writer)
        put(writer, (series, description), record("plain"))
    assert catalog.header("s") == common
    assert [list(header) for header in catalog.instance_headers("s")] == [
        ["00080018", "00080060", "00200011", "00200013"]
    ] * 2
    assert catalog.instance_headers("s")[1]["00200013"]["Value"] == [2]
    assert catalog.header("plain") == {} and catalog.instance_headers("plain") == []


def test_putting_again_replaces(bred: Catalog) -> None:
    before = (bred.count(""), bred.fields(), bred.series("ct"), bred.facets("", "kind"), bred.find(""))
    series, description = record("ct", modality="PT", attributes={"KVP": (80,)})
    with bred.transaction() as writer:
        writer.put_series(series, description)
    assert bred.count("KVP:120") == bred.count("bruker") == bred.count("InstanceNumber:777") == 0
    assert bred.count("KVP:80 modality:PT") == 1
    assert [f.name for f in bred.series("ct").files] == ["a.tif", "b.tif"], "files stay"
    assert bred.count("files:2 size:100") == 1
    with bred.transaction() as writer:
        writer.put_series(before[2], bred.description("ct"))
    assert [s.id for s in bred.find("")] == [s.id for s in before[4]], "a replaced series keeps its place"
    assert bred.facets("", "kind") == before[3]


def test_putting_the_same_again_changes_nothing(bred: Catalog, tmp_path: Path) -> None:
    from .samples import colony

    def state() -> object:
        shown = [bred.facets("", name) for name in bred.fields()]
        return shown, bred.find(""), [bred.series(s.id) for s in bred.find("")], list(bred.blobs())

    before = state()
    with bred.transaction() as writer:
        colony(writer)
    assert state() == before


def test_deleting_leaves_no_trace_in_the_search(bred: Catalog) -> None:
    with bred.transaction() as writer:
        writer.delete_series("skull")
    assert bred.count("kind:segmentation") == bred.count("segment:*") == bred.count('"lower jaw"') == 0
    assert bred.count("has:segmentation") == bred.count("derived-from:clean") == 0
    assert "segments" in bred.fields() and bred.facets("", "segments") == []
    assert bred.series("jaw").sources == ()
    with pytest.raises(NotFound):
        bred.series("skull")


def test_a_failed_transaction_writes_nothing(bred: Catalog) -> None:
    before = bred.count("")
    with pytest.raises(RuntimeError), bred.transaction() as writer:
        put(writer, record("new"))
        writer.audit("C", "Data Import", "me", ["new"], NOW)
        writer.flush()
        raise RuntimeError
    with pytest.raises(NotFound), bred.transaction() as writer:
        put(writer, record("orphan", study="nowhere"))
    assert bred.count("") == before and bred.audit() == []
    assert bred.facets("", "label") == bred.facets("NOT kind:nothing", "label")


def test_blobs_and_who_has_them(bred: Catalog) -> None:
    a, b = f"{1:064x}", f"{2:064x}"
    assert bred.blob(a) == Blob(sha256=a, size=10)
    assert bred.blob("00" * 31 + "ff") is None
    assert set(bred.known_blobs([a, b, "ee" * 32])) == {a, b}
    assert [blob.sha256 for blob in bred.blobs()] == [a, b, f"{3:064x}"]
    assert bred.series_with_blob(a) == ["ct"]
    assert bred.series_with_blobs({a, "ee" * 32}) == {a: ["ct"]}
    with bred.transaction() as writer:
        writer.put_blobs(
            [Blob(sha256="cc" * 32, size=1, location="file:/x"), Blob(sha256=a, size=10, location="file:/y")]
        )
    assert bred.blob(a) == Blob(sha256=a, size=10), "what is in the store stays there"
    with bred.transaction() as writer:
        writer.put_blobs([Blob(sha256="cc" * 32, size=1)])
    assert bred.blob("cc" * 32) == Blob(sha256="cc" * 32, size=1)


def test_many_values_are_looked_up_at_once(catalog: Catalog) -> None:
    with catalog.transaction() as writer:
        writer.put_sources((f"/in/{n}", n, n, f"{n:064x}") for n in range(3000))
    assert len(catalog.sources([f"/in/{n}" for n in range(5000)])) == 3000


def test_instances_keep_versions_apart(bred: Catalog) -> None:
    first = Instance(id="i1", series="head", uid="1.2.3", file="I1.dcm", sha256=f"{3:064x}")
    other = Instance(id="i2", series="head", uid="1.2.3", file="I1b.dcm", sha256=f"{4:064x}", version=2)
    with bred.transaction() as writer:
        writer.put_instances([other, first])
    assert bred.instances("1.2.3") == [first, other] == bred.instances_of("head")
    assert bred.known_instances(["1.2.3", "9"]) == {"1.2.3": [("head", first.sha256, 1), ("head", other.sha256, 2)]}
    assert bred.resolve("1.2.3") == (Level.SERIES, "head")
    assert [s.id for s in bred.find("instance-uid:1.2.3")] == ["head"]


def test_known_by_uid_and_by_print(bred: Catalog) -> None:
    assert bred.series_by_uid(bred.series("ct").uid) == ["ct"]
    assert bred.series_by_print(["aa", "bb", "zz", ""]) == {"aa": ["ct"], "bb": ["clean"]}
    study = bred.study_by_uid("p1", "1.2.5")
    assert study is not None and study.id == "mouse-study"
    assert bred.study_by_uid("p2", "1.2.5") is None
    assert bred.subject_by_label("p1", "nobody") is None


def test_projects_and_activities(catalog: Catalog) -> None:
    project = Project(id="p", name="Schädel", policy="open", schema={"type": "object"})
    activity = Activity(
        id="a1",
        type="import",
        started=NOW,
        agent=Agent(name="vasculum", version="1"),
        parameters={"n": 1, "x": ["\udcff"]},
        used=("u",),
    )
    with catalog.transaction() as writer:
        writer.put_project(project)
        writer.put_activity(activity)
    assert catalog.project("Schädel") == catalog.project("p") == project
    assert catalog.projects() == [project]
    assert catalog.activity("a1") == activity
    with pytest.raises(NotFound):
        catalog.project("nobody")


def test_names_are_resolved(bred: Catalog) -> None:
    with bred.transaction() as writer:
        writer.put_subject(Subject(id="0198abcdef", project="p1", label="twin"))
        writer.put_subject(Subject(id="0198abcdff", project="p1", label="twin", kind=SubjectKind.ANIMAL, issuer="b"))
        writer.put_study(Study(id="0198ffffff", subject="mouse", uid="1.7", label="lonely study"))
    assert bred.resolve("mouse") == (Level.SUBJECT, "mouse")
    assert bred.resolve(STRAIN) == (Level.SUBJECT, "mouse")
    assert bred.resolve("0198abcde") == (Level.SUBJECT, "0198abcdef")
    assert bred.resolve("0198ff") == (Level.STUDY, "0198ffffff")
    assert bred.resolve("jaw — Kiefer 日本") == (Level.SERIES, "jaw")
    assert bred.resolve("1.7") == (Level.STUDY, "0198ffffff")
    assert bred.resolve("lonely study") == (Level.STUDY, "0198ffffff")
    for ambiguous in ("0198ab", "twin"):
        with pytest.raises(Conflict):
            bred.resolve(ambiguous)
    with pytest.raises(NotFound, match="skull"):
        bred.resolve("skulk")
    with pytest.raises(NotFound):
        bred.resolve("0198a")


def test_reading_goes_on_while_writing_and_writers_take_turns(catalog: Catalog) -> None:
    with catalog.transaction() as writer:
        put_subject(writer)
        put(writer, record("first"))
        writer.flush()
        assert catalog.count("") == 0, "not seen before it is all written"

    def add(number: int) -> None:
        with catalog.transaction() as writer:
            put(writer, record(f"s{number}", attributes={"KVP": (number,)}))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalog.count("") == 7
    assert [n for _, n in catalog.facets("", "KVP")] == [1] * 6


def test_counts_are_kept_right_through_changes(bred: Catalog) -> None:
    with bred.transaction() as writer:
        writer.set_metadata(Level.SERIES, "ct", {"checked": "yes", "KVP": 90})
        writer.set_metadata(Level.STUDY, "patient-study", {"ward": "B"})
        writer.set_metadata(Level.SUBJECT, "mouse", {"strain": None})
        writer.delete_series("brain")
        put(writer, record("more", Kind.TABLE))
        writer.put_files("more", [stored("a.csv", 9)])
    assert bred.count("checked:yes") == bred.count("ward:b") == 1
    for field in bred.fields():
        assert dict(bred.facets("", field)) == dict(bred.facets("NOT kind:nothing", field)), field
    with pytest.raises(NotFound), bred.transaction() as writer:
        writer.set_metadata(Level.STUDY, "nowhere", {"a": 1})
