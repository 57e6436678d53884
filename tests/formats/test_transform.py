"""Transforms in the forms that ITK writes, described without being applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interop import require
from vasculum.errors import Unreadable
from vasculum.formats.base import Head
from vasculum.formats.transform import TransformFile
from vasculum.model.kinds import Kind

AFFINE = (1.0, 0.1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 5.0, 6.0, 7.0)


def recognised(path: Path) -> bool:
    content = path.read_bytes()
    return TransformFile().recognises(Head(path, len(content), content[: 16 * 1024]))


@pytest.fixture
def affine() -> Any:
    sitk = require("SimpleITK")
    transform = sitk.AffineTransform(3)
    transform.SetParameters(AFFINE)
    transform.SetCenter((1.0, 2.0, 3.0))
    return transform


@pytest.mark.parametrize("suffix", ["tfm", "txt", "h5", "mat"])
def test_an_affine_in_every_form_of_itk(tmp_path: Path, affine: Any, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    require("SimpleITK").WriteTransform(affine, str(path))
    assert recognised(path)
    description = TransformFile().describe(path)
    assert description.kind is Kind.TRANSFORM
    assert description.attributes == {
        "transform.type": ("AffineTransform_double_3_3",),
        "transform.parameter-count": (12,),
        "transform.parameters": AFFINE,
        "transform.fixed-parameters": (1.0, 2.0, 3.0),
    }


def test_an_mni_transform(tmp_path: Path) -> None:
    path = tmp_path / "a.xfm"
    path.write_text(
        "MNI Transform File\n%by hand\nTransform_Type = Linear;\nLinear_Transform =\n1 0 0 1\n0 1 0 2\n0 0 1 3;\n"
    )
    assert recognised(path)
    attributes = TransformFile().describe(path).attributes
    assert attributes["transform.type"] == ("MNI_Linear",)
    assert attributes["transform.parameters"] == (1, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 3)


@pytest.mark.parametrize("suffix", ["tfm", "h5"])
def test_a_displacement_field_has_a_grid(tmp_path: Path, affine: Any, suffix: str) -> None:
    sitk = require("SimpleITK")
    field = sitk.Image([4, 5, 6], sitk.sitkVectorFloat64, 3)
    field.SetSpacing((1, 2, 3))
    field.SetOrigin((7, 8, 9))
    path = tmp_path / f"a.{suffix}"
    chain = sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])
    sitk.WriteTransform(chain, str(path))
    description = TransformFile().describe(path)
    expected = np.diag([1.0, 2, 3, 1])
    expected[:3, 3] = (7, 8, 9)
    assert description.geometry is not None
    assert description.geometry.affine == pytest.approx(expected)
    assert description.geometry.shape == (6, 5, 4)
    assert description.attributes["transform.parameter-count"][-2:] == (12, 360)
    assert description.attributes["transform.type"][-1] == "DisplacementFieldTransform_double_3_3"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tfm", b"#Insight Transform File V1.0\n"),
        ("a.tfm", b"#Insight Transform File V1.0\nTransform: A_double_3_3\nParameters: 1 x\n"),
        ("a.xfm", b"MNI Transform File\nTransform_Type = Linear;\nLinear_Transform = 1 e;\n"),
        ("a.xfm", b"MNI Transform File\n"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"TransformGroup" + bytes(600)),
        ("a.mat", bytes(4) + bytes([255] * 12) + bytes([27, 0, 0, 0]) + b"AffineTransform_double_3_3\0"),
        ("a.mat", bytes(4) + b"\x0c\0\0\0\1\0\0\0\0\0\0\0\x1b\0\0\0" + b"AffineTransform_double_3_3\0" + bytes(9)),
    ],
)
def test_damage_is_unreadable(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert recognised(path)
    with pytest.raises(Unreadable):
        TransformFile().describe(path)


def test_links_out_of_an_hdf5_file_are_not_followed(tmp_path: Path, affine: Any) -> None:
    h5py = require("h5py")
    require("SimpleITK").WriteTransform(affine, str(tmp_path / "secret.h5"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("TransformGroup")
        group["0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/TransformGroup/0")
    with pytest.raises(Unreadable):
        TransformFile().describe(tmp_path / "a.h5")


def test_other_hdf5_is_not_a_transform(tmp_path: Path) -> None:
    h5py = require("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["measurements"] = [1, 2, 3]
    assert not recognised(tmp_path / "a.h5")
