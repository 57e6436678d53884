"""Bundles that several tests look at; each is packed, and opened in Slicer, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import slicer_session
from tests.bundle.specimens import dicom_item, item_of, nrrd_file, oblique, pack, series_id
from tests.interop import require
from vasculum.bundle import Item, PackReport


@dataclass(frozen=True)
class Packed:
    """A bundle and what went into it."""

    path: Path
    items: dict[str, Item]
    report: PackReport


@pytest.fixture(scope="session")
def zoo(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """A bundle with one of everything."""
    folder = tmp_path_factory.mktemp("zoo")
    random = np.random.default_rng(3)
    atlas = shared_data / "specimen-mouse-ct/mouse_CT_atlas"
    segs = shared_data / "seg-nrrd/slicerio"
    made = {
        "oblique": nrrd_file(folder / "oblique.nrrd", random.integers(-1000, 3000, (7, 8, 9), np.int16), oblique()),
        "left float": nrrd_file(
            folder / "left float.nrrd", random.normal(size=(7, 8, 9)).astype("f4"), oblique(True)
        ),
        "odd": nrrd_file(folder / "odd.nrrd", random.integers(0, 255, (3, 5, 7), np.uint8), oblique()),
        "time": nrrd_file(folder / "time.nrrd", random.integers(0, 99, (6, 3, 5, 7), np.int16), oblique(), "tkji"),
        "colour": nrrd_file(
            folder / "colour.nrrd", random.integers(0, 99, (3, 5, 7, 3), np.uint8), oblique(), "kjic"
        ),
        "no size": nrrd_file(folder / "no size.nrrd", random.integers(0, 99, (3, 5, 7), np.uint8), None),
    }
    files = {
        "skull": atlas / "targets/C57BL6_J_.nii.gz",
        "chest": shared_data / "nrrd/slicerio/CTChest4.nrrd",
        **made,
        "one layer": segs / "Segmentation.seg.nrrd",
        "two layers": segs / "SegmentationOverlapping.seg.nrrd",
        "landmarks": atlas / "target_LMs/C57BL6_J_.mrk.json",
        "fcsv": shared_data / "markups/Slicer/Testing/Data/Input/midsag.fcsv",
        "bunny": shared_data / "mesh/trimesh/bunny.ply",
        "ball": shared_data / "mesh/trimesh/ballA.off",
        "caudate; 50 %": shared_data / "mesh/spl-brain-atlas/Model_11_left_caudate_nucleus.vtk",
        "atlas": shared_data / "tables-metadata/E15-Atlas/E15_Mouse_Embryo.csv",
        "workbook": shared_data / "tables-metadata/PET2BIDS/single_subject_sheet/subject_metadata_example.xlsx",
        "old scene": shared_data / "scenes/Slicer/Libs/MRML/Core/Testing/vol.mrml",
        "accession": shared_data / "tables-metadata/Mouse_Skull/MorphoDepotAccession.json",
    }
    items = {"head": dicom_item(shared_data / "dicom-ct/Slicer/CTHeadAxialDicom", 50, "head")}
    for number, (label, path) in enumerate(files.items()):
        sources = (series_id(1),) if label in {"one layer", "two layers"} else ()
        items[label] = item_of(path, number, label=label, sources=sources)
    path = folder / "zoo.mrb"
    return Packed(path, items, pack(path, list(items.values())))


@pytest.fixture(scope="session")
def in_slicer(zoo: Packed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Slicer's MRML core makes of `zoo`; it also saves the scene again, to ``again.mrb``."""
    require("slicer", "the MRML core of 3D Slicer is the oracle of bundles")
    folder = tmp_path_factory.mktemp("slicer")
    scene = slicer_session.load(zoo.path, folder / "out", folder / "again.mrb")
    return scene | {"again": folder / "again.mrb"}
