"""NIfTI against nibabel and SimpleITK on real files, round trips, orientations, pairs, and hostile headers."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.formats import oracles
from tests.strategies import affines, arrays
from vasculum.errors import Invalid, Unreadable, Unsupported
from vasculum.formats import nifti
from vasculum.formats.base import Head
from vasculum.formats.nifti import Nifti
from vasculum.model.description import Description
from vasculum.model.geometry import RAS_FROM_LPS, Geometry
from vasculum.model.kinds import Kind

NOT_IN_ITK = {
    "example_nifti2.nii.gz": "ITK finds no reader for this NIfTI-2",
    "S0_10slices.nii.gz": "ITK refuses its sform, whose axes are not perpendicular",
}


def describe(path: Path) -> Description:
    return Nifti().describe(path)


def codes(description: Description) -> list[str]:
    return [finding.code for finding in description.findings if finding.code != "unknown-unit"]


def affine_of(description: Description) -> NDArray[np.float64]:
    assert description.geometry is not None
    return description.geometry.affine


def head_of(path: Path) -> Head:
    content = path.read_bytes()
    return Head(path, len(content), content[: 16 * 1024])


def test_real_files_agree_with_nibabel_and_simpleitk(shared_data: Path) -> None:
    """Voxels and affine of every NIfTI; values after a fractional slope are float32 here, float64 in nibabel."""
    paths = sorted(p for p in shared_data.rglob("*") if p.name.endswith((".nii", ".nii.gz")))
    assert len(paths) >= 35
    for path in paths:
        assert Nifti().recognises(head_of(path)), path.name
        description = describe(path)
        array = oracles.read(description, path.parent)
        image = oracles.nibabel_image(path)
        assert affine_of(description) == pytest.approx(oracles.nibabel_affine(image), abs=1e-9), path.name
        theirs = oracles.nibabel_values(image)
        assert array.shape == theirs.shape, path.name
        same = theirs if theirs.dtype == array.dtype else theirs.astype(array.dtype)
        assert np.array_equal(array, same) or np.array_equal(array, same, equal_nan=True), path.name
        if path.name in NOT_IN_ITK:
            continue
        itk = oracles.itk_header(path)
        assert affine_of(description) == pytest.approx(oracles.itk_affine(itk), abs=1e-5), path.name
        if array.size < 1_000_000:
            values = oracles.itk_values(oracles.itk_image(path), "kji")
            assert np.allclose(np.nan_to_num(array), values, rtol=1e-6), path.name  # ITK makes NaN zero in NIfTI


@given(st.data(), st.sampled_from(["kji", "tkji", "kjic", "tkjic"]), affines(), st.sampled_from([".nii", ".nii.gz"]))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, axes: str, affine: NDArray[np.float64], suffix: str
) -> None:
    array = data.draw(arrays(axes=axes))
    k, j, i = (array.shape[axes.index(axis)] for axis in "kji")
    geometry = Geometry.from_affine(affine, (k, j, i))
    path = tmp_path_factory.mktemp("nifti") / f"日本 %&;{suffix}"
    nifti.write(path, array, geometry, axes=axes)
    description = describe(path)
    assert description.geometry is not None
    assert description.geometry.same_grid(geometry)
    assert codes(description) == []
    back = oracles.read(description, path.parent)
    assert back.dtype == array.dtype.newbyteorder("<")
    assert np.array_equal(back.reshape(array.shape), array)
    image = oracles.nibabel_image(path)
    for ours in (image.get_sform(), image.get_qform()):
        assert RAS_FROM_LPS @ ours == pytest.approx(affine, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("axes", ["kji", "tkji", "kjic"])
def test_simpleitk_reads_what_we_write(tmp_path: Path, axes: str) -> None:
    array = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)
    array = array[..., 0] if axes == "kji" else array
    k, j, i = (array.shape[axes.index(axis)] for axis in "kji")
    affine = np.array([[0.0, -2, 0, 5], [1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
    nifti.write(tmp_path / "a.nii.gz", array, Geometry.from_affine(affine, (k, j, i)), axes=axes)
    image = oracles.itk_image(tmp_path / "a.nii.gz")
    assert oracles.itk_affine(image) == pytest.approx(affine)
    assert np.array_equal(oracles.itk_values(image, "kji"), array)


def test_sheared_grids_have_no_qform(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 2] = 0.4
    geometry = Geometry.from_affine(affine, (2, 3, 4))
    nifti.write(tmp_path / "a.nii", np.zeros((2, 3, 4), np.uint8), geometry)
    assert affine_of(describe(tmp_path / "a.nii")) == pytest.approx(affine, abs=1e-6)
    header = oracles.nibabel_image(tmp_path / "a.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 0)


def test_long_axes_make_nifti2(tmp_path: Path) -> None:
    array = np.arange(40_000, dtype=np.uint16).reshape(1, 1, -1)
    nifti.write(tmp_path / "a.nii", array, Geometry.from_affine(np.diag([0.01, 1, 1, 1]), array.shape))
    description = describe(tmp_path / "a.nii")
    assert description.attributes["nifti.version"] == (2,)
    assert np.array_equal(oracles.read(description, tmp_path), array)


@pytest.mark.parametrize("axes", ["ji", "kj", "ckji", "tkjic"])
def test_axes_must_fit(tmp_path: Path, axes: str) -> None:
    geometry = Geometry.from_affine(np.eye(4), (2, 2, 2))
    with pytest.raises(Invalid):
        nifti.write(tmp_path / "a.nii", np.zeros((2, 2, 2, 2)), geometry, axes=axes)


def made(path: Path, *, order: str = "<", kind: Any = nibabel.Nifti1Image, **fields: Any) -> Path:
    """Write a file of 2 × 3 × 4 voxels with nibabel and set header fields."""
    header = kind.header_class(endianness=order)
    array = np.arange(24, dtype=f"{order}i2").reshape(2, 3, 4, order="F")
    header.set_data_dtype(array.dtype)
    image = kind(array, None, header)
    image.header["pixdim"][1:4] = (2, 3, 4)
    for name, value in fields.items():
        image.header[name] = value
    saved = kind(array, None, image.header)
    for name, value in fields.items():
        saved.header[name] = value
    saved.header["pixdim"][1:4] = fields.get("pixdim", [1, 2, 3, 4])[1:4]
    nibabel.save(saved, path)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.Nifti1Pair, nibabel.Nifti2Pair])
@pytest.mark.parametrize("packed", [False, True])
def test_versions_orders_and_pairs(tmp_path: Path, order: str, kind: Any, packed: bool) -> None:
    pair = kind in {nibabel.Nifti1Pair, nibabel.Nifti2Pair}
    suffix = (".hdr" if pair else ".nii") + (".gz" if packed else "")
    path = made(tmp_path / f"a{suffix}", order=order, kind=kind, qform_code=1)
    assert Nifti().recognises(head_of(path))
    description = describe(path)
    assert oracles.read(description, tmp_path).reshape(-1).tolist() == list(range(24))
    assert affine_of(description) == pytest.approx(np.diag([-2, -3, 4, 1]))
    expected = [path.name] + ([f"a.img{'.gz' if packed else ''}"] if pair else [])
    assert [part.name for part in description.parts] == expected
    assert description.voxels is not None
    assert description.voxels.dtype == f"{order}i2"


def test_sform_comes_first_and_disagreement_is_said(tmp_path: Path) -> None:
    rows = {"srow_x": [2, 0, 0, 7], "srow_y": [0, 3, 0, 8], "srow_z": [0, 0, 4, 9]}
    both = describe(made(tmp_path / "a.nii", sform_code=2, qform_code=1, **rows))
    assert affine_of(both)[:3, 3] == pytest.approx([-7, -8, 9])
    assert codes(both) == ["orientation-disagreement"]
    assert "9" in both.findings[-1].text
    agreeing = made(tmp_path / "b.nii", sform_code=2, qform_code=1, qoffset_x=7, qoffset_y=8, qoffset_z=9, **rows)
    assert codes(describe(agreeing)) == []
    only_q = describe(made(tmp_path / "c.nii", sform_code=0, qform_code=1, qoffset_x=5, **rows))
    assert affine_of(only_q)[:3, 3] == pytest.approx([-5, 0, 0])


def test_no_orientation_is_said(tmp_path: Path) -> None:
    description = describe(made(tmp_path / "a.nii"))
    assert codes(description) == ["no-orientation"]
    assert affine_of(description) == pytest.approx(np.diag([-2, -3, 4, 1]))


@pytest.mark.parametrize("field", ["sform", "qform"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_unusable_orientation_falls_back(tmp_path: Path, field: str, bad: float) -> None:
    fields: dict[str, Any] = {"sform_code": 2, "srow_x": [bad, 0, 0, 0]}
    if field == "qform":
        fields = {"qform_code": 1, "quatern_b": bad}
    description = describe(made(tmp_path / "a.nii", **fields))
    assert codes(description) == ["bad-geometry", "no-orientation"]
    assert affine_of(description) == pytest.approx(np.diag([-2, -3, 4, 1]))


@pytest.mark.parametrize("size", [0.0, np.nan])
def test_no_geometry_without_voxel_size(tmp_path: Path, size: float) -> None:
    description = describe(made(tmp_path / "a.nii", pixdim=[1, size, 3, 4, 0, 0, 0, 0]))
    assert description.geometry is None
    assert "bad-geometry" in codes(description)
    assert oracles.read(description, tmp_path).size == 24


@pytest.mark.parametrize(("units", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0), (10, 1.0), (11, 0.001)])
def test_units(tmp_path: Path, units: int, factor: float) -> None:
    description = describe(made(tmp_path / "a.nii", xyzt_units=units, qform_code=1, qoffset_x=10))
    assert affine_of(description) == pytest.approx(
        np.diag([-2 * factor, -3 * factor, 4 * factor, 1]) + np.outer([1, 0, 0, 0], [0, 0, 0, -10 * factor])
    )
    said = [finding.code for finding in description.findings]
    assert ("unknown-unit" in said) == (units == 0)
    assert ("implausible-voxel-size" in said) == (units == 1)


@pytest.mark.parametrize(
    ("slope", "inter", "dtype", "first"),
    [(1, 0, "<i2", 1), (0, 5, "<i2", 1), (np.nan, 3, "<i2", 1), (2, -1024, "<i4", -1022), (0.5, 1, "<f4", 1.5)],
)
def test_slope_and_intercept(tmp_path: Path, slope: float, inter: float, dtype: str, first: float) -> None:
    path = made(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(content)
    array = oracles.read(describe(path), tmp_path)
    assert array.dtype == np.dtype(dtype)
    assert array.reshape(-1)[1] == first


def test_colours_vectors_and_complex_numbers(tmp_path: Path) -> None:
    rgb = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["G"][1, 0, 0] = 7
    nibabel.save(nibabel.Nifti1Image(rgb, np.eye(4)), tmp_path / "rgb.nii")
    description = describe(tmp_path / "rgb.nii")
    assert description.voxels is not None
    assert (description.voxels.axes, description.voxels.sizes) == ("kjic", (2, 2, 2, 3))
    assert oracles.read(description, tmp_path)[0, 0, 1].tolist() == [0, 7, 0]

    field = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 1, 3)
    image = nibabel.Nifti1Image(field, np.eye(4))
    image.header.set_intent("displacement vector")
    nibabel.save(image, tmp_path / "warp.nii")
    description = describe(tmp_path / "warp.nii")
    assert description.kind is Kind.TRANSFORM
    assert oracles.read(description, tmp_path)[1, 0, 1].tolist() == field[1, 0, 1, 0].tolist()

    waves = np.array([1 + 2j] * 8, np.complex64).reshape(2, 2, 2)
    nibabel.save(nibabel.Nifti1Image(waves, np.eye(4)), tmp_path / "c.nii")
    array = oracles.read(describe(tmp_path / "c.nii"), tmp_path)
    assert (array.shape, array[0, 0, 0].tolist()) == ((2, 2, 2, 2), [1, 2])


def test_fields_and_extensions_become_attributes(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.eye(4))
    image.header["descrip"] = "a mouse Ñ".encode()
    image.header["aux_file"] = b"atlas.txt"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"scanned at night"))
    nibabel.save(image, tmp_path / "a.nii.gz")
    attributes = describe(tmp_path / "a.nii.gz").attributes
    assert attributes["nifti.descrip"] == ("a mouse Ñ",)
    assert attributes["nifti.aux_file"] == ("atlas.txt",)
    assert attributes["nifti.dim"] == (3, 2, 3, 4, 1, 1, 1, 1)
    assert attributes["nifti.extension.6"] == ("scanned at night",)


def test_sidecars_are_parts(shared_data: Path, tmp_path: Path) -> None:
    diffusion = describe(shared_data / "nifti" / "dipy" / "small_64D.nii")
    assert [(p.name, p.role) for p in diffusion.parts[1:]] == [
        ("small_64D.bval", "sidecar"),
        ("small_64D.bvec", "sidecar"),
    ]
    (tmp_path / "sub-01_T1w.json").write_text("{}")
    path = made(tmp_path / "sub-01_T1w.nii.gz")
    assert [part.name for part in describe(path).parts] == ["sub-01_T1w.nii.gz", "sub-01_T1w.json"]


def test_label_intent_is_noted(tmp_path: Path) -> None:
    assert "maybe-label-map" in codes(describe(made(tmp_path / "a.nii", intent_code=1002)))
    assert "maybe-label-map" in codes(describe(made(tmp_path / "sub-1_dseg.nii")))


def test_analyze(tmp_path: Path) -> None:
    image = nibabel.AnalyzeImage(np.arange(24, dtype=np.int16).reshape(2, 3, 4, order="F"), None)
    image.header.set_zooms((1, 2, 3))
    nibabel.save(image, tmp_path / "a.img")
    assert Nifti().recognises(head_of(tmp_path / "a.hdr"))
    description = describe(tmp_path / "a.hdr")
    assert oracles.read(description, tmp_path).reshape(-1).tolist() == list(range(24))
    assert codes(description) == ["no-orientation"]
    assert description.attributes["nifti.version"] == (0,)


def test_truncated_and_missing_voxels(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes()[:-1])
    description = describe(path)
    assert "truncated" in codes(description)
    with pytest.raises(Unreadable):
        oracles.read(description, tmp_path)
    packed = made(tmp_path / "b.nii.gz")
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(Unreadable):
        oracles.read(describe(packed), tmp_path)
    pair = made(tmp_path / "c.hdr", kind=nibabel.Nifti1Pair)
    (tmp_path / "c.img").unlink()
    assert "missing-part" in codes(describe(pair))


@pytest.mark.parametrize(
    ("offset", "value"),
    [(40, np.int16(0)), (40, np.int16(9)), (42, np.int16(-5)), (108, np.float32(np.nan)), (108, np.float32(-8))],
)
def test_damaged_headers_are_unreadable(tmp_path: Path, offset: int, value: Any) -> None:
    path = made(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[offset : offset + value.nbytes] = value.tobytes()
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        describe(path)


def test_unknown_types_are_unsupported(tmp_path: Path) -> None:
    path = made(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[70:72] = np.int16(1536).tobytes()  # 128-bit floats
    path.write_bytes(content)
    with pytest.raises(Unsupported):
        describe(path)


def test_not_every_gzip_is_nifti(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(b"hello" * 200))
    assert not Nifti().recognises(head_of(path))
    path.write_bytes(b"\x1f\x8bgarbage")
    assert not Nifti().recognises(head_of(path))
