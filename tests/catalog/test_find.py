"""Queries over a small colony, field by field."""

from __future__ import annotations

import pytest

from vasculum.catalog import Catalog
from vasculum.errors import Invalid, NotFound, QuerySyntax
from vasculum.model.kinds import Kind
from vasculum.model.query import And, Between, Compare, Everything, Has, Level, Not, Op, Or, Text

from .samples import STRAIN, put, put_subject, record

MOUSE = {"ct", "clean", "skull", "points", "jaw"}
PATIENT = {"head", "brain"}


def ids(catalog: Catalog, query: object, **more: object) -> set[str]:
    found = catalog.find(query, **more)  # type: ignore[arg-type]
    names = [record.id for record in found]
    assert len(names) == len(set(names)), "no result twice"
    return set(names)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", MOUSE | PATIENT),
        ('species:"mus musculus"', MOUSE),
        ('PatientSpeciesDescription:"Mus musculus"', MOUSE),
        ("dwc:scientificName:mus*", MOUSE),
        ("scientificname:*MUSC?LUS", MOUSE),
        (f'strain:"{STRAIN}"', MOUSE),
        (f'PatientID=="{STRAIN}"', MOUSE),
        (f'PatientID=="{STRAIN.lower()}"', set()),
        (f'subject:"{STRAIN.lower()}"', MOUSE),
        ("sex:f", PATIENT),
        ("age>=12", MOUSE),
        ("modality:ct", {"ct", "head"}),
        ("Modality:CT SliceThickness<2", {"ct", "head"}),
        ("modality:CT slice-thickness<1", {"ct"}),
        ("SliceThickness:1.50", {"head"}),
        ("KVP>100", {"ct"}),
        ("KVP:100..120", {"ct", "head"}),
        ("KVP:..100", {"head"}),
        ("KVP:101..", {"ct"}),
        ("voxel<0.05", {"ct", "clean"}),
        ("slices>=500", {"ct", "clean"}),
        ("landmarks>=12", {"points"}),
        ("landmarks:12", {"points"}),
        ("landmarks>12", set()),
        ("segments>1", {"skull"}),
        ("segment:mandible*", {"skull"}),
        ("landmark:lm13", {"points"}),
        ("kind:mesh OR kind:landmarks", {"jaw", "points"}),
        ("NOT modality:CT NOT modality:MR", MOUSE - {"ct"}),
        ("NOT (kind:mesh OR voxel>0)", {"skull", "points"}),
        ("format:seg-nrrd", {"skull"}),
        ("files:2", {"ct"}),
        ("size>=100", {"ct"}),
        ("size<100 files>0", {"head"}),
        ("project:SKULLS", MOUSE | PATIENT),
        ("finding:gantry-tilt", {"head"}),
        ("study-date:2019", MOUSE),
        ("study-date:2019..2021", MOUSE | PATIENT),
        ("study-date:2019..2020", MOUSE),
        ("StudyDate:20210630", PATIENT),
        ("study-date>2019", PATIENT),
        ("study-date<=2019", MOUSE),
        ("study-date<2019-03-02", set()),
        ("SeriesDate:201903", {"ct"}),
        ("imported:2026-11", MOUSE | PATIENT),
        ("imported>2026-11", set()),
        ("InstanceNumber:777", {"ct"}),
        ("InstanceNumber>1000", set()),
        ("InstanceNumber<2", {"ct"}),
        ("id:ct", {"ct"}),
        ("id:mouse", MOUSE),
        ("study-uid:1.2.5", MOUSE),
        ("EchoTime<0.01", {"brain"}),
        ("ContentDate:2019", set()),
        (f'"{STRAIN}"', MOUSE),
        ("leprdb dock7m", MOUSE),
        ("leprdb bruker", {"ct"}),
        ("lepr*", MOUSE),
        ('"lower jaw"', {"skull"}),
        ('"jaw lower"', set()),
        ("日本", {"jaw"}),
        ("本日", set()),
        ("kiefer", {"jaw"}),
        ("bruker OR tilt", {"ct", "head"}),
        ("gantry tilt", {"head"}),
        ("+/+", set()),
        ('has:segmentation("mandible left")', {"skull", "clean", "ct", "jaw"}),
        ('has:segmentation("Mandible")', {"skull", "clean", "ct", "jaw"}),
        ("has:segmentation(mandible*)", {"skull", "clean", "ct", "jaw"}),
        ('has:landmarks("LM2")', {"ct", "points"}),
        ("has:mesh", {"jaw", "skull", "clean", "ct"}),
        ('has:mesh("other")', set()),
        ("has:mesh kind:volume", {"clean", "ct"}),
        ("derived-from:ct", {"clean", "skull", "points", "jaw"}),
        ("derived-from:clean", {"skull", "jaw"}),
        (f'derived-from:"{STRAIN}"', {"clean", "skull", "points", "jaw"}),
        ("derived-from:jaw", set()),
        ('species:"Mus musculus" (landmarks>=12 OR NOT kind:mesh) study-date:2019..2021', MOUSE - {"jaw"}),
    ],
)
def test_finds_series(bred: Catalog, query: str, expected: set[str]) -> None:
    assert ids(bred, query) == expected
    assert bred.count(query) == len(expected)
    assert sum(n for _, n in bred.facets(query, "kind")) == len(expected)
    subjects = {("mouse" if series in MOUSE else "patient") for series in expected}
    if "has:" not in query:
        assert ids(bred, query, level=Level.SUBJECT) == subjects
        assert bred.count(query, level=Level.STUDY) == len(subjects)


def test_holds_at_the_level_of_subjects(bred: Catalog) -> None:
    assert ids(bred, "has:mesh", level=Level.SUBJECT) == {"mouse"}
    assert ids(bred, "NOT has:mesh", level=Level.SUBJECT) == {"patient"}
    assert ids(bred, "has:landmarks", level=Level.STUDY) == {"mouse-study"}


def test_trees_need_no_text(bred: Catalog) -> None:
    assert ids(bred, Everything()) == MOUSE | PATIENT
    tree = And((Or((Compare("kind", Op.EQ, "volume"), Has("mesh"))), Not(Text("tilt")), Between("voxel", None, 1)))
    assert ids(bred, tree) == {"ct", "clean"}
    assert ids(bred, Compare("nowhere", Op.EQ, "x")) == set()


@pytest.mark.parametrize(
    ("query", "column", "suggestion"),
    [
        ("slicetickness<2", 1, "SliceThickness"),
        ("kind:mesh AND modalty:CT", 15, "modality"),
        ("specis:x", 1, "species"),
        ("has:segmentaton", 1, "segmentation"),
        ("(kind:mesh", 11, ""),
        ('label:"open', 7, ""),
        ("kind:", 6, ""),
        ("a )", 3, ""),
        ("zzzzqqq:1", 1, ""),
    ],
)
def test_errors_say_where_and_what_was_meant(bred: Catalog, query: str, column: int, suggestion: str) -> None:
    with pytest.raises(QuerySyntax) as caught:
        bred.find(query)
    assert (caught.value.column, caught.value.suggestion) == (column, suggestion)


def test_facets_are_ordered_and_limited(bred: Catalog) -> None:
    assert bred.facets("", "modality") == [("CT", 2), ("MR", 1)]
    assert bred.facets("modality:ct", "KVP") == [("100", 1), ("120", 1)]
    assert bred.facets("", "kind", level=Level.SUBJECT)[0] == ("volume", 2)
    assert len(bred.facets("", "landmark", limit=5)) == 5
    assert bred.facets("", "ContentDate") == []
    with pytest.raises(Invalid, match="SliceThickness"):
        bred.facets("", "SliceThicknes")


def test_order_and_pages(bred: Catalog) -> None:
    newest = [series.id for series in bred.find("")]
    assert newest[0] == "brain" and newest[-1] == "ct"
    pages = [bred.find("", limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [series.id for page in pages for series in page] == newest
    assert [s.id for s in bred.find("voxel>0", order=["voxel"])] == ["ct", "clean", "head", "brain"]
    assert [s.id for s in bred.find("voxel>0", order=["-voxel"], limit=2)] == ["brain", "head"]
    assert [s.id for s in bred.find("KVP>0 OR kind:mesh", order=["KVP"])] == ["head", "ct", "jaw"]
    assert [s.id for s in bred.find("kind:volume", order=["modality", "-slices"])] == ["ct", "head", "brain", "clean"]
    assert [s.id for s in bred.find("", level=Level.STUDY, order=["-study-date"])] == ["patient-study", "mouse-study"]
    assert [s.id for s in bred.find("", level=Level.SUBJECT, order=["subject"])] == ["mouse", "patient"]


def test_columns_give_exact_strings(bred: Catalog) -> None:
    rows = bred.columns(
        Level.SERIES, ["ct", "head"], ["PatientID", "SliceThickness", "ImageType", "files", "uid", "nope"]
    )
    assert rows[0] == {
        "PatientID": [STRAIN],
        "SliceThickness": ["0.02"],
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "files": [2],
        "uid": [bred.series("ct").uid],
        "nope": [],
    }
    assert rows[1]["SliceThickness"] == ["1.5"]
    (mouse,) = bred.columns(Level.SUBJECT, ["mouse"], ["species", "kind"])
    assert mouse == {"species": ["Mus musculus"], "kind": ["landmarks", "mesh", "segmentation", "volume"]}
    with pytest.raises(NotFound):
        bred.columns(Level.SERIES, ["nobody"], ["kind"])


def test_fields_in_use_are_named(bred: Catalog) -> None:
    names = bred.fields()
    assert {"SliceThickness", "species", "KVP", "voxel", "size"} <= set(names)


def test_changes_of_a_subject_reach_its_series(bred: Catalog) -> None:
    with bred.transaction() as writer:
        writer.set_metadata(Level.SUBJECT, "mouse", {"species": "Rattus rattus", "age": None})
    assert ids(bred, "species:Mus*") == ids(bred, "musculus") == ids(bred, "age>0") == set()
    assert ids(bred, "species:rattus*") == ids(bred, "rattus") == MOUSE
    assert bred.facets("", "species") == [("Rattus rattus", 5)]
    assert bred.description("ct").attributes["KVP"] == (120,)


def test_limits_look_into_one_project_only(catalog: Catalog) -> None:
    from vasculum.model.records import Project, Study, Subject

    with catalog.transaction() as writer:
        put_subject(writer)
        writer.put_project(Project(id="p2", name="Ñandú; %"))
        writer.put_subject(Subject(id="other", project="p2", label="mouse"))
        writer.put_study(Study(id="other-study", subject="other", uid="1.9"))
        put(writer, record("a"), record("b", subject="other"))
    assert ids(catalog, "", project="skulls") == {"a"}
    assert ids(catalog, "kind:volume", project="p2") == {"b"}
    assert catalog.count("", project="Ñandú; %", level=Level.SUBJECT) == 1
    with pytest.raises(NotFound):
        catalog.find("", project="nowhere")


def test_a_series_with_very_many_values_stays_small(catalog: Catalog, tmp_path: object) -> None:
    many = {
        "ImagePositionPatient": tuple(n / 10 for n in range(3000)),
        "UidOfSlice": tuple(f"1.2.{n}" for n in range(1000)),
    }
    with catalog.transaction() as writer:
        put_subject(writer)
        put(writer, record("a", attributes=many), record("b", attributes={"ImagePositionPatient": (5.05,)}))
    assert len(catalog.facets("id:a", "ImagePositionPatient", limit=5000)) == 64
    assert ids(catalog, "ImagePositionPatient:5.05") == {"a", "b"}, "a may hold it: it lies between its ends"
    assert ids(catalog, "ImagePositionPatient>299") == {"a"}
    assert ids(catalog, "ImagePositionPatient>300") == set()
    assert catalog.description("a").attributes["ImagePositionPatient"] == many["ImagePositionPatient"]


def test_kinds_that_do_not_exist_are_refused_in_trees(bred: Catalog) -> None:
    with pytest.raises(Invalid, match=Kind.VOLUME):
        bred.find(Has("volumes"))
