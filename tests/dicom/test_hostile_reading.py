"""Damaged and hostile DICOM: described or refused, quickly, by nothing but our own errors."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from vasculum.dicom.read import describe_file
from vasculum.dicom.series import assemble_series
from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.dicom import FORMATS
from vasculum.testing.hazards import write_hazards

from .sources import dicom_files

SECONDS = 2.0
MUTANTS = 300


def outcome(path: Path) -> str:
    """Describe, assemble and read the voxels of one file."""
    begun = time.process_time()
    try:
        described = describe_file(path)
        word = "described"
        for series in assemble_series({path.name: described}):
            if series.voxels is not None:
                try:
                    FORMATS[0].read_voxels(series, lambda _: path)
                    word = "voxels"
                except (Unreadable, Unsupported):
                    word = "no voxels"
    except (Unreadable, Unsupported) as refusal:
        assert str(path.parent) not in str(refusal)
        word = "refused"
    assert time.process_time() - begun < SECONDS, path.name
    return word


def test_every_malformed_file_ends_well(shared_data: Path) -> None:
    outcomes = {p.name: outcome(p) for p in sorted((shared_data / "dicom-malformed").rglob("*")) if p.is_file()}
    assert len(outcomes) == 17
    assert outcomes["no_meta.dcm"] == "refused"  # begins with a space: no element, no preamble
    assert outcomes["MR_truncated.dcm"] == "no voxels"
    assert outcomes["J2K_pixelrep_mismatch.dcm"] == "voxels"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("MR_truncated.dcm", "truncated-pixel-data"),
        ("meta_missing_tsyntax.dcm", "odd-encoding"),
        ("ExplVR_BigEndNoMeta.dcm", "odd-encoding"),
        ("priv_SQ.dcm", "no-series-uid"),
        ("empty_charset_LEI.dcm", "no-sop-instance-uid"),
    ],
)
def test_what_is_wrong_is_said(shared_data: Path, name: str, code: str) -> None:
    path = next((shared_data / "dicom-malformed").rglob(name))
    assert code in [f.code for f in describe_file(path).findings]


def test_hazards(tmp_path: Path) -> None:
    hazards = {n: p for n, p in write_hazards(tmp_path).items() if n.endswith(".dcm")}
    assert len(hazards) >= 4
    for path in hazards.values():
        outcome(path)


def test_mutants(shared_data: Path, tmp_path: Path) -> None:
    """Bytes changed, cut, spliced, and lengths that lie: no escape and no hang."""
    rng = random.Random(20261122)
    real = [p.read_bytes() for p in dicom_files(shared_data) if 300 < p.stat().st_size < 120_000]
    path = tmp_path / "mutant.dcm"
    words = set()
    for _ in range(MUTANTS):
        content, kind = bytearray(rng.choice(real)), rng.random()
        at = rng.randrange(132, min(len(content) - 4, 4000))
        if kind < 0.5:
            for _ in range(rng.randint(1, 12)):
                content[rng.randrange(132, len(content))] = rng.randrange(256)
        elif kind < 0.7:
            content = content[: rng.randrange(140, len(content))]
        elif kind < 0.85:
            content[at:at] = rng.choice(real)[rng.randrange(132, 300) :][: rng.randint(1, 3000)]
        else:
            content[at : at + 4] = rng.choice([b"\xff" * 4, b"\xf0\xff\xff\xff", b"\0\0\0\x80"])
        path.write_bytes(content)
        words.add(outcome(path))
    assert words == {"described", "voxels", "no voxels", "refused"}
