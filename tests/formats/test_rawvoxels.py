"""The shared reader: bombs, limits, large arrays through scratch files, several blocks."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.formats import oracles
from vasculum.errors import Unavailable, Unreadable, Unsupported
from vasculum.formats import rawvoxels, scratch
from vasculum.formats.nifti import Nifti
from vasculum.formats.nrrd import Nrrd
from vasculum.formats.rawvoxels import inflate_to, read_array, unmet
from vasculum.model.description import Block, Voxels

MEGABYTE = 1024 * 1024


@contextmanager
def bounded(seconds: float = 2.0, megabytes: int = 300) -> Iterator[None]:
    """Fail where the block takes longer, or allocates more at its peak."""
    tracemalloc.start()
    begun = time.monotonic()
    try:
        yield
        took, peak = time.monotonic() - begun, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert took < seconds
    assert peak < megabytes * MEGABYTE


def zeros(megabytes: int) -> bytes:
    """Compress zeros at the highest ratio that deflate has."""
    return gzip.compress(bytes(16 * MEGABYTE), 9) * (megabytes // 16)


def test_an_nrrd_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 1024 1024 2048\nencoding: gzip\n\n"
    (tmp_path / "bomb.nrrd").write_bytes(header + zeros(2048))
    with bounded():
        description = Nrrd().describe(tmp_path / "bomb.nrrd")
        with pytest.raises(Unreadable, match="honestly"):
            oracles.read(description, tmp_path)


def test_a_nifti_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_shape((1000, 1000, 2000))
    header.set_data_dtype(np.float32)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(4)) + zeros(7168))
    with bounded():
        description = Nifti().describe(tmp_path / "bomb.nii.gz")
        with pytest.raises(Unreadable, match="honestly"):
            oracles.read(description, tmp_path)


def test_no_more_than_declared_is_inflated(tmp_path: Path) -> None:
    """A small array in front of a gigabyte of zeros."""
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 3 2\nencoding: gzip\n\n"
    (tmp_path / "a.nrrd").write_bytes(header + zeros(1024))
    with bounded(megabytes=64):
        assert oracles.read(Nrrd().describe(tmp_path / "a.nrrd"), tmp_path).size == 24


def test_the_search_for_a_tail_is_limited(tmp_path: Path) -> None:
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 3 2\nencoding: gzip\nbyte skip: -1\n\n"
    (tmp_path / "a.nrrd").write_bytes(header + zeros(1024))
    with bounded(megabytes=64), pytest.raises(Unreadable):
        oracles.read(Nrrd().describe(tmp_path / "a.nrrd"), tmp_path)


def test_absurd_sizes_are_refused(tmp_path: Path) -> None:
    for encoding in ("raw", "gzip", "bzip2", "hex", "text"):
        header = f"NRRD0004\ntype: double\ndimension: 3\nsizes: 99999999 99999999 99999999\nencoding: {encoding}\n\n"
        (tmp_path / "a.nrrd").write_bytes(header.encode() + b"0 0 0 0")
        with bounded(megabytes=64), pytest.raises((Unreadable, Unsupported)):
            oracles.read(Nrrd().describe(tmp_path / "a.nrrd"), tmp_path)


def stored(tmp_path: Path, array: np.ndarray, encoding: str, **fields: float) -> Voxels:  # type: ignore[type-arg]
    packed = {"raw": bytes, "gzip": gzip.compress, "zlib": zlib.compress}[encoding](array.tobytes())
    (tmp_path / "voxels").write_bytes(packed)
    return Voxels(
        dtype=array.dtype.str,
        axes="kji",
        sizes=array.shape,
        encoding=encoding,
        blocks=(Block(part="voxels"),),
        slope=fields.get("slope", 1.0),
        intercept=fields.get("intercept", 0.0),
    )


@pytest.mark.parametrize("encoding", ["gzip", "zlib"])
@pytest.mark.parametrize("slope", [1.0, 0.5])
def test_large_arrays_go_through_a_scratch_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, slope: float
) -> None:
    """The limit is lowered; the file is unnamed, so that the folder is empty again when the array is gone."""
    room = tmp_path / "scratch"
    room.mkdir()
    monkeypatch.setenv("VASCULUM_SCRATCH", str(room))
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(rawvoxels, "CHUNK", 700)
    array = np.random.default_rng(3).integers(-999, 999, (9, 10, 11)).astype("<i2")
    voxels = stored(tmp_path, array, encoding, slope=slope, intercept=2.0 if slope != 1 else 0.0)
    values = read_array(voxels, lambda name: tmp_path / name)
    assert isinstance(values, np.memmap)
    assert not values.flags.writeable
    assert np.array_equal(values, array if slope == 1 else array * np.float32(slope) + 2)
    del values
    assert list(room.iterdir()) == []


def test_a_full_scratch_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    voxels = stored(tmp_path, np.zeros((9, 10, 11), "<i2"), "gzip")
    with pytest.raises(Unavailable, match="room"):
        read_array(voxels, lambda name: tmp_path / name)


def test_inflating_into_a_named_file(tmp_path: Path) -> None:
    array = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    voxels = stored(tmp_path, array, "gzip")
    mapped = inflate_to(voxels, lambda name: tmp_path / name, tmp_path / "out")
    assert (tmp_path / "out").stat().st_size == 48
    assert np.array_equal(mapped, array)


def test_blocks_hold_equal_shares(tmp_path: Path) -> None:
    (tmp_path / "voxels").write_bytes(bytes(range(24)))
    blocks = (Block(part="voxels", offset=12), Block(part="voxels", offset=0))
    voxels = Voxels(dtype="|u1", axes="kji", sizes=(2, 3, 4), blocks=blocks)
    assert read_array(voxels, lambda name: tmp_path / name).reshape(-1).tolist() == [*range(12, 24), *range(12)]
    odd = Voxels(dtype="|u1", axes="kji", sizes=(1, 1, 5), blocks=blocks)
    with pytest.raises(Unreadable, match="equal shares"):
        read_array(odd, lambda name: tmp_path / name)


def test_a_missing_part_is_unreadable(tmp_path: Path) -> None:
    voxels = Voxels(dtype="|u1", axes="kji", sizes=(1, 1, 5), blocks=(Block(part="gone"),))
    with pytest.raises(Unreadable, match="missing"):
        read_array(voxels, lambda name: tmp_path / name)
    assert [finding.code for finding in unmet(voxels, tmp_path)] == ["missing-part"]
