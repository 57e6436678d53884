"""The zip around a bundle."""

from __future__ import annotations

import io
import shutil
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.interop import program, require
from vasculum.bundle.container import PAGE, ContainerReader, ContainerWriter, is_safe_name
from vasculum.errors import Integrity, Invalid, Unreadable, Unsupported

WHEN = datetime(2026, 3, 1, 12, 30, 40, tzinfo=UTC)


def _written(path: Path, files: dict[str, bytes], *, aligned: bool = False) -> Path:
    with ContainerWriter(path, when=WHEN) as writer:
        for name, content in files.items():
            source = path.with_name("source")
            source.write_bytes(content)
            writer.add_file(name, source, aligned=aligned)
    return path


def test_aligned_members_start_on_a_page_and_are_mapped(tmp_path: Path) -> None:
    files = {"a": b"abc", "日本/ü": bytes(range(256)) * 33, "empty": b"", "z": b"z" * 5000}
    path = _written(tmp_path / "x.zip", files, aligned=True)
    with ContainerReader(path) as reader:
        assert [m.name for m in reader.members] == list(files)
        for name, content in files.items():
            assert reader.offset(name) is not None
            assert reader.offset(name) % PAGE == 0  # type: ignore[operator]
            mapped = reader.bytes_of(name)
            assert mapped.tobytes() == content == reader.read(name)
            assert isinstance(mapped, np.memmap) or not content
    with zipfile.ZipFile(path) as other:
        assert other.testzip() is None
        assert {i.date_time for i in other.infolist()} == {(2026, 3, 1, 12, 30, 40)}
        assert all(not i.is_dir() and len(i.extra) == 0 for i in other.infolist())


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    files = {"a/b": b"1", "a/c": b"22"}
    one, two = _written(tmp_path / "1.zip", files), _written(tmp_path / "2.zip", files)
    assert one.read_bytes() == two.read_bytes()


def test_info_zip_finds_nothing_wrong(tmp_path: Path) -> None:
    unzip = require("unzip") if program("unzip") else pytest.skip("unzip is not installed")
    import subprocess

    path = _written(tmp_path / "x.zip", {"DICOM/IM000001": b"1" * 9999, "b": b""}, aligned=True)
    assert subprocess.run([unzip, "-tqq", str(path)], check=False).returncode == 0


@pytest.mark.parametrize(
    "name", ["", "/a", "../a", "a/../../b", "a/./b", "C:/a", "C:a", "a\\b", "a/", "a\0b", "//x/y"]
)
def test_names_that_climb_are_neither_written_nor_read(tmp_path: Path, name: str) -> None:
    assert not is_safe_name(name)
    with ContainerWriter(tmp_path / "w.zip", when=WHEN) as writer, pytest.raises(Invalid):
        writer.add_bytes(name, b"x")


def test_members_that_climb_are_listed_as_unsafe_and_never_read(tmp_path: Path) -> None:
    path = tmp_path / "evil.mrb"
    with zipfile.ZipFile(path, "w") as evil:
        evil.writestr("../evil.txt", b"x")
        evil.writestr("/etc/x", b"x")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        evil.writestr(link, b"/etc/passwd")
        evil.writestr("good", b"x")
    with ContainerReader(path) as reader:
        assert [m.name for m in reader.members] == ["good"]
        assert reader.unsafe == ("../evil.txt", "/etc/x", "link")
        with pytest.raises(Unreadable):
            reader.read("../evil.txt")


def test_names_that_differ_by_case_only_are_refused(tmp_path: Path) -> None:
    with ContainerWriter(tmp_path / "x.zip", when=WHEN) as writer:
        writer.add_bytes("Data/CT.nrrd", b"1")
        with pytest.raises(Invalid):
            writer.add_bytes("data/ct.NRRD", b"2")


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    path = _written(tmp_path / "x.zip", {"a": b"hello world"})
    content = bytearray(path.read_bytes())
    content[content.index(b"hello")] ^= 1
    path.write_bytes(content)
    with ContainerReader(path) as reader, pytest.raises(Integrity):
        reader.read("a")


def test_bombs_and_unknown_compression_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", bytes(10_000_000))
        bomb.writestr("lzma", b"x" * 100, zipfile.ZIP_LZMA)
    with ContainerReader(path) as reader:
        with pytest.raises(Unreadable):
            reader.read("zeros", limit=1_000_000)
        with pytest.raises(Unsupported):
            reader.read("lzma")
    content = path.read_bytes()
    lie = content.replace(struct.pack("<L", 10_000_000), struct.pack("<L", 4_000_000_000))
    path.write_bytes(lie)
    with ContainerReader(path) as reader, pytest.raises(Unreadable):
        reader.read("zeros")


def test_what_is_no_zip_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "x.mrb"
    path.write_bytes(b"PK\3\4 and then nothing")
    with pytest.raises(Unreadable):
        ContainerReader(path)


def test_a_file_that_grows_while_it_is_packed_is_refused(tmp_path: Path) -> None:
    class Growing(type(tmp_path)):  # type: ignore[misc]
        def stat(self, *, follow_symlinks: bool = True):  # type: ignore[no-untyped-def]
            found = super().stat(follow_symlinks=follow_symlinks)
            return type("Stat", (), {"st_size": found.st_size - 1})

    source = Growing(tmp_path / "source")
    Path(source).write_bytes(b"abc")
    with ContainerWriter(tmp_path / "x.zip", when=WHEN) as writer, pytest.raises(Unreadable):
        writer.add_file("a", source)


@given(
    st.dictionaries(
        st.from_regex(r"[a-zé日 ]{1,8}(/[a-z.]{1,5}x){0,2}", fullmatch=True), st.binary(max_size=9000), max_size=5
    )
)
def test_any_files_come_back(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("zip")
    path = _written(folder / "x.zip", files, aligned=True)
    with ContainerReader(path) as reader:
        assert {m.name: reader.read(m.name) for m in reader.members} == files
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as other:
        assert {i: other.read(i) for i in other.namelist()} == files
    shutil.rmtree(folder)
