from __future__ import annotations

from pathlib import Path

import pytest

from vasculum.formats.registry import recognise
from vasculum.formats.scanlog import ScanLog, prefixes, tells_projections, voxel_size
from vasculum.model.kinds import Kind

XTEKCT = """[XTekCT]
Name=Mouse 12
VoxelsX=1000
VoxelSizeX=0.0123
VoxelSizeY=0.0123
VoxelSizeZ=0.0246
SrcToObject=62.1
SrcToDetector=982.5
[Xrays]
XraykV=90
XrayuA=110
"""


def test_skyscan_logs_of_the_zebrafish(shared_data: Path) -> None:
    logs = sorted(shared_data.rglob("*.log"))
    assert len(logs) == 10
    for path in logs:
        described = recognise(path).describe(path)
        assert (described.format, described.kind) == ("scanlog", Kind.DOCUMENT)
        assert described.parts[0].role == "sidecar"
        size = voxel_size(described)
        assert size is not None
        assert 0.0016 < size[0] < 0.0017


def test_values_of_one_skyscan_log(shared_data: Path) -> None:
    described = ScanLog().describe(next(shared_data.rglob("Control01_rec.log")))
    expected = {
        "scan.Scanner": ("Skyscan1172",),
        "scan.Source Voltage (kV)": (49,),
        "scan.Image Pixel Size (um)": (1.66,),
        "scan.Pixel Size (um)": (1.65905,),
        "scan.Rotation Step (deg)": (0.05,),
        "scan.Sections Count": (2452,),
        "scan.VoxelSizeMicrometre": (1.65905, 1.65905, 1.65905),
        "KVP": (49,),
        "XRayTubeCurrentInuA": (167,),
        "ExposureTime": (890,),
        "FilterType": ("No Filter",),
        "ManufacturerModelName": ("Skyscan1172",),
        "DistanceSourceToDetector": (212.399,),
        "AcquisitionDate": ("20180222",),
        "AcquisitionTime": ("211841",),
    }
    assert {name: described.attributes[name] for name in expected} == expected
    assert voxel_size(described) == pytest.approx((0.00165905,) * 3, rel=1e-12)
    assert prefixes(described)[-1] == "Control01_rec"


def test_projections_are_told_from_slices(shared_data: Path) -> None:
    described = ScanLog().describe(next(shared_data.rglob("Control01_rec.log")))
    assert tells_projections(described, "Control01", (2672, 4000))
    assert not tells_projections(described, "Control01_rec", (2184, 2184))


def test_nikon(tmp_path: Path) -> None:
    path = tmp_path / "mouse.xtekct"
    path.write_text(XTEKCT, newline="\r\n")
    described = recognise(path).describe(path)
    assert voxel_size(described) == (0.0123, 0.0123, 0.0246)
    assert (described.attributes["KVP"], described.attributes["XRayTubeCurrentInuA"]) == ((90,), (110,))
    assert described.attributes["scan.Name"] == ("Mouse 12",)


def test_phoenix(tmp_path: Path) -> None:
    path = tmp_path / "scan.pca"
    path.write_text(
        "[Geometry]\nVoxelSizeX=0.03\nVoxelSizeY=0.03\nFDD=800\nFOD=60\n[Xray]\nVoltage=80\nCurrent=100\n"
    )
    described = recognise(path).describe(path)
    assert voxel_size(described) == (0.03, 0.03, 0.03)
    assert described.attributes["KVP"] == (80,)


def test_every_nth_section_makes_thicker_voxels(tmp_path: Path) -> None:
    path = tmp_path / "a_rec.log"
    path.write_text("[Reconstruction]\nSection to Section Step=2\nPixel Size (um)=10\nVoltage=nan\nSerial=0012\n")
    described = ScanLog().describe(path)
    assert voxel_size(described) == (0.01, 0.01, 0.02)
    assert described.attributes["scan.Serial"] == ("0012",)
    assert described.attributes["scan.Voltage"] == ("nan",)


def test_other_logs_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("2026-01-01 started\nx=1\n")
    assert recognise(path).name == "document"
