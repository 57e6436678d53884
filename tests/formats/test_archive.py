from __future__ import annotations

import struct
import time
import zipfile
from pathlib import Path

import pytest

from vasculum.errors import NotFound, Unreadable
from vasculum.formats import archive
from vasculum.formats.archive import Archive, ZipArchive, extract
from vasculum.formats.base import Head
from vasculum.formats.registry import describe
from vasculum.model.kinds import Kind

MIB = 1024 * 1024


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def codes(path: Path) -> set[str]:
    return {f.code for f in ZipArchive().describe(path).findings}


def test_mrb_lists_its_members_in_order(tmp_path: Path) -> None:
    members = {"s/Ñandú 日本.mrml": b"<MRML/>", "s/Data/b.nrrd": b"2", "s/Data/a.nrrd": b"1"}
    path = zipped(tmp_path / "s.mrb", members)
    described = ZipArchive().describe(path)
    assert (described.kind, described.members, described.findings) == (Kind.SCENE, tuple(members), ())
    for name, content in members.items():
        target = tmp_path / "out"
        assert extract(path, name, target, MIB) == len(content)
        assert target.read_bytes() == content
        target.unlink()


def test_a_zip_without_a_scene_is_a_document(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.nrrd": b"1", "b.zip": b"2"})
    described = ZipArchive().describe(path)
    assert described.kind is Kind.DOCUMENT
    assert [f.code for f in described.findings] == ["nested-archive"]
    assert codes(zipped(tmp_path / "a.mrb", {"a.nrrd": b"1"})) == {"no-scene"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../../evil.txt", "climbing-member"),
        ("a/../../evil.txt", "climbing-member"),
        ("a\\..\\..\\evil.txt", "climbing-member"),
        ("/etc/passwd", "absolute-member"),
        ("C:\\evil.txt", "absolute-member"),
        ("S/S.MRML", "doubled-member"),
    ],
)
def test_dangerous_names_are_not_listed(tmp_path: Path, name: str, code: str) -> None:
    path = zipped(tmp_path / "a.mrb", {"s/s.mrml": b"<MRML/>", name: b"x"})
    described = ZipArchive().describe(path)
    assert described.members == ("s/s.mrml",)
    assert {f.code for f in described.findings} == {code}
    with pytest.raises(NotFound):
        extract(path, name, tmp_path / "out", MIB)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mrb"]


def test_of_two_members_with_one_name_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mrb"
    with zipfile.ZipFile(path, "w") as out, pytest.warns(UserWarning, match="Duplicate"):
        out.writestr("s.mrml", b"first")
        out.writestr("s.mrml", b"second")
    assert codes(path) == {"doubled-member"}
    extract(path, "s.mrml", tmp_path / "out", MIB)
    assert (tmp_path / "out").read_bytes() == b"first"


def test_links_and_encrypted_members_are_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.mrb"
    link = zipfile.ZipInfo("s/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("s/s.mrml", b"<MRML/>")
        out.writestr(link, "/etc/passwd")
        out.writestr("s/secret", b"x")
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # the encryption flag of the last entry
    path.write_bytes(content)
    assert codes(path) == {"linked-member", "encrypted-member"}


def test_a_bomb_is_refused_quickly_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mrb"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out,
        out.open("s/a.nrrd", "w", force_zip64=True) as member,
    ):
        for _ in range(300):
            member.write(b"\0" * MIB)
    start = time.monotonic()
    with pytest.raises(Unreadable):
        ZipArchive().describe(path)
    with pytest.raises(Unreadable):
        extract(path, "s/a.nrrd", tmp_path / "out", 1 << 40)
    assert time.monotonic() - start < 2
    assert not (tmp_path / "out").exists()


def test_many_members_that_together_are_a_bomb(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {f"{n}": b"\0" * (40 * MIB) for n in range(2)})
    with pytest.raises(Unreadable), Archive(path) as opened:
        opened.refuse_bombs(60 * MIB)


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x": bytes(range(256)) * 4096})
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 1000)  # central directory: uncompressed size
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        extract(path, "x", tmp_path / "out", MIB)
    assert not (tmp_path / "out").exists()


def test_limits_and_checksums(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x": b"0123456789" * 100}, zipfile.ZIP_STORED)
    with pytest.raises(Unreadable):
        extract(path, "x", tmp_path / "out", 999)
    content = path.read_bytes().replace(b"0123456789", b"0123456780", 1)
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        extract(path, "x", tmp_path / "out", MIB)
    assert not (tmp_path / "out").exists()


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x": b"1"})
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        extract(path, "x", tmp_path / "out", MIB)
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_damaged_zips_are_unreadable(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x": b"1" * 1000})
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:60])
    with pytest.raises(Unreadable):
        ZipArchive().describe(tmp_path / "cut.zip")


def test_office_documents_are_no_archives(shared_data: Path, tmp_path: Path) -> None:
    for book in sorted(shared_data.rglob("*.xlsx")):
        with book.open("rb") as stream:
            assert not ZipArchive().recognises(Head(book, book.stat().st_size, stream.read(16384)))
    bundle = tmp_path / "prefixed.mrb"
    bundle.write_bytes(b"\0" * 5000 + zipped(tmp_path / "a.zip", {"s.mrml": b"<MRML/>"}).read_bytes())
    assert ZipArchive().recognises(Head(bundle, bundle.stat().st_size, b"\0" * 5000))
    assert ZipArchive().describe(bundle).members == ("s.mrml",)


def test_real_zip(shared_data: Path) -> None:
    described = ZipArchive().describe(shared_data / "mesh" / "trimesh" / "fuze.zip")
    assert "fuze.obj" in described.members
    assert archive.BOMB_RATIO == 1000


def test_a_workbook_stored_in_an_archive_does_not_make_it_one(shared_data: Path, tmp_path: Path) -> None:
    book = next((shared_data / "tables-metadata").rglob("*.xlsx"))
    target = tmp_path / "bundle.mrb"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.write(book, "scene/Data/table.xlsx")
    assert describe(target).format == "zip"
    assert describe(book).format == "xlsx"
    bare = tmp_path / "no ending"
    bare.write_bytes(book.read_bytes())
    assert describe(bare).format == "xlsx"
