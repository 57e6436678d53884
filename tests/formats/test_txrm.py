from __future__ import annotations

from pathlib import Path

import pytest

from vasculum.errors import Unreadable
from vasculum.formats.registry import recognise
from vasculum.formats.txrm import Xradia
from vasculum.model.kinds import Kind


def test_chip(shared_data: Path) -> None:
    path = next(shared_data.rglob("test_chip00.xrm"))
    described = recognise(path).describe(path)
    assert (described.format, described.kind, described.voxels.sizes) == ("txrm", Kind.IMAGE, (1, 512, 512))
    assert described.attributes["txrm.PixelSize"] == (0.07789474,)
    assert described.attributes["txrm.Energy"] == (7191.046,)
    assert described.attributes["txrm.Date"] == ("11/08/15 11:58:08",)
    array = Xradia().read_voxels(described, lambda _: path)
    assert (array.shape, array.dtype.str) == ((1, 512, 512), "<u2")
    assert array[0, 0, :6].tolist() == [15, 15, 12, 21, 12, 18]  # as the stream begins


def test_a_volume_has_cubic_voxels(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.txm"
    path.write_bytes(next(shared_data.rglob("test_chip00.xrm")).read_bytes())
    described = recognise(path).describe(path)
    assert described.kind is Kind.VOLUME
    assert described.geometry is not None
    assert described.geometry.spacing == pytest.approx((7.789474e-5,) * 3)


def test_cut_files_are_unreadable(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.xrm"
    path.write_bytes(next(shared_data.rglob("test_chip00.xrm")).read_bytes()[:100_000])
    with pytest.raises(Unreadable):
        described = Xradia().describe(path)
        Xradia().read_voxels(described, lambda _: path)
