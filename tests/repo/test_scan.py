"""Meeting files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from vasculum.errors import NotFound
from vasculum.repo.scan import REPOSITORY_MARK, walk


def test_every_file_is_met_and_clutter_is_said_to_be_skipped(tmp_path: Path) -> None:
    for name in ("b.nrrd", "a b & 100%;x.nrrd", "sub/ä.dcm", ".DS_Store", "Thumbs.db", ".git/config"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    met = list(walk([tmp_path]))
    kept = {os.path.relpath(m.path, tmp_path).replace(os.sep, "/") for m in met if not m.skip}
    skipped = {os.path.relpath(m.path, tmp_path).replace(os.sep, "/") for m in met if m.skip}
    assert kept == {"b.nrrd", "a b & 100%;x.nrrd", "sub/ä.dcm"}
    assert skipped == {".DS_Store", "Thumbs.db", ".git"}


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        list(walk([tmp_path / "nowhere"]))


def test_a_repository_inside_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "repo" / "objects").mkdir(parents=True)
    (tmp_path / "repo" / REPOSITORY_MARK).write_text("{}")
    (tmp_path / "scan.nrrd").write_bytes(b"x")
    met = list(walk([tmp_path]))
    assert [Path(m.path).name for m in met if not m.skip] == ["scan.nrrd"]
    assert [m.skip for m in met if m.skip] == ["a vasculum repository lies here"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not Unicode")
def test_names_that_are_not_utf8_are_met(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe4\xff.nrrd"))).write_bytes(b"x")
    (one,) = walk([tmp_path])
    assert os.fsencode(one.path).endswith(b"\xe4\xff.nrrd")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.nrrd").write_bytes(b"x")
    try:
        (tmp_path / "a" / "loop").symlink_to(tmp_path)
    except OSError:
        pytest.skip("links may not be made here")
    met = list(walk([tmp_path]))
    assert len([m for m in met if not m.skip]) == 1
