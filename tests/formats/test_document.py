from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.errors import Unreadable
from vasculum.formats.document import Document, accession_metadata
from vasculum.formats.registry import recognise
from vasculum.formats.text import VALUES_PER_FIELD, decode, flatten, looks_like_text
from vasculum.model.kinds import Kind


@given(
    content=st.binary(min_size=1, max_size=300),
    name=st.sampled_from(["a", "a.json", "a.txt", "a.pdf", "a.npy", "a.xml"]),
)
def test_never_raises(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    described = Document().describe(path)
    assert described.kind is Kind.DOCUMENT
    assert described.title == name


def test_empty_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(Unreadable):
        Document().describe(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("name", "content", "media"),
    [
        ("a.pdf", b"%PDF-1.7\n\xff", "application/pdf"),
        ("a.md", b"# Notes", "text/markdown"),
        ("README", "Größe".encode("latin-1"), "text/plain"),
        ("a.json", b'{"a": {"b": [1, 2.5]}}', "application/json"),
        ("a.json", b'{"broken": ', "application/json"),
        (
            "a.docx",
            b"PK\x03\x04[Content_Types].xml",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
)
def test_known_documents(tmp_path: Path, name: str, content: bytes, media: str) -> None:
    (tmp_path / name).write_bytes(content)
    described = recognise(tmp_path / name).describe(tmp_path / name)
    assert (described.format, described.attributes["document.media-type"], described.findings) == (
        "document",
        (media,),
        (),
    )


def test_unknown_binaries_are_kept_and_named(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    for name, content in (("a.npy", array.getvalue()), ("a.bin", bytes(range(256)))):
        (tmp_path / name).write_bytes(content)
        described = recognise(tmp_path / name).describe(tmp_path / name)
        assert [f.code for f in described.findings] == ["format-not-recognised"]


def test_words_of_notes_are_found(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("stained with iodine", encoding="utf-16")
    described = recognise(tmp_path / "note.txt").describe(tmp_path / "note.txt")
    assert described.attributes["document.text"] == ("stained with iodine",)


def test_morphodepot_accessions(shared_data: Path) -> None:
    files = {p.parent.name: accession_metadata(p) for p in shared_data.rglob("MorphoDepotAccession.json")}
    assert {name: fields["species"] for name, fields in files.items()} == {
        "E15-Atlas": "Mus musculus",
        "MRI_test_head": "Homo sapiens",
        "Mouse_Skull": "Mus musculus",
        "human_trunk": "Homo sapiens",
    }
    assert files["Mouse_Skull"] == {
        "subject_type": "Biological specimen",
        "specimen_source": "Non-accessioned",
        "species": "Mus musculus",
        "sex": "Unknown",
        "developmental_stage": "Adult",
        "imaging_modality": "Micro CT (or synchrotron)",
        "contrast_enhancement": "No",
        "image_contents": "Partial specimen",
        "anatomical_areas": "Head and neck (e.g., cranium, mandible, proximal vertebral colum)",
        "license": "CC BY 4.0 (requires attribution, allows commercial usage)",
        "repository": "Mouse_Skull",
    }
    path = next(shared_data.rglob("Mouse_Skull/MorphoDepotAccession.json"))
    assert recognise(path).describe(path).attributes["document.role"] == ("morphodepot-accession",)


def test_other_json_is_no_accession(tmp_path: Path) -> None:
    for content in ("[]", '{"species": "x"}', "{", "3"):
        (tmp_path / "a.json").write_text(content)
        assert accession_metadata(tmp_path / "a.json") == {}


@given(text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_utf8_decodes_as_itself(text: str) -> None:
    if not text.startswith("\ufeff"):
        assert decode(text.encode()) == (text, "utf-8")


def test_flattening() -> None:
    nested = {"a": [{"b": 1}, {"b": 2.5, "c": None}], "d": True, "e": "", "long": list(range(VALUES_PER_FIELD + 1))}
    assert flatten("x", nested) == {"x.a.b": (1, 2.5), "x.d": ("true",)}


def test_text_is_told_from_bytes() -> None:
    assert looks_like_text("Größe\r\n\t".encode("latin-1"))
    assert looks_like_text("x".encode("utf-16"))
    assert not looks_like_text(b"")
    assert not looks_like_text(b"a\0b")
