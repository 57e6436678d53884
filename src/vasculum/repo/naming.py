"""Reading names as people write them: which part of a file name says *who*, and which part says *what*."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

GENERIC = frozenset(
    (  # noqa: SIM905 - words read best as words
        "ct mr mri pt pet us t1 t2 t1w t2w pd flair dwi dti bold epi asl adc fa uct microct micro "
        "image images img imgs volume volumes vol scan scans data dataset raw rec recon proj orig "
        "original source src label labels labelmap seg segs segmentation segmentations mask masks "
        "roi rois baseline issue landmark landmarks lm lms fcsv markups points fiducials target "
        "targets mesh meshes model models surface surfaces table tables measurements results scene "
        "scenes transform transforms input output testing test tests testdata file files dicom dcm "
        "nrrd nifti nii tif tiff stack stacks slices png left right final new old copy cropped crop "
        "resampled aligned filtered denoised clean cleaned"
    ).split()
)
"""Words that say what a file is, not whose. A name made of these alone does not name a subject."""

_SUFFIX = re.compile(
    r"(\.seg\.n(rrd|hdr)|\.nii\.gz|\.img\.gz|\.gii\.gz|\.dcm\.gz|\.mrk\.json|\.raw\.gz|\.obj\.mtl|\.schema\.csv|\.[A-Za-z][A-Za-z0-9]{0,7})$",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[\s_\-.+]+")
_BIDS = re.compile(r"(?:^|[/_])(sub-[A-Za-z0-9]+)(?=[/_.]|$)")


def stem(path: str) -> str:
    """Give the file name without its folder and without its extension, double ones included."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return _SUFFIX.sub("", name) or name


def tokens(name: str) -> list[str]:
    """Cut a name at its separators."""
    return [t for t in _SEPARATORS.split(name) if t]


def is_generic(token: str) -> bool:
    """True for a word that does not tell subjects apart: ``CT``, ``image``, a bare number of up to three digits."""
    return token.lower() in GENERIC or bool(re.fullmatch(r"[0-9]{1,3}|v[0-9]+", token.lower()))


def identity(name: str) -> str:
    """Give the part of a stem that says whose it is: without generic words at its end; empty if nothing is left.

    >>> identity("brain1_label"), identity("CT"), identity("129X1_SVJ_")
    ('brain1', '', '129X1_SVJ')
    """
    kept = tokens(name)
    while kept and is_generic(kept[-1]):
        kept.pop()
    if not kept:
        return ""
    pattern = r"[\s_\-.+]+".join(re.escape(t) for t in kept)
    found = re.search(pattern, name)
    return found.group(0) if found else kept[0]


def normal(name: str) -> str:
    """Fold a label so that ``BKS.Cg/J`` in a table meets ``BKS_Cg_J_`` in a file name."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def is_prefix(short: str, long: str) -> bool:
    """True where `long` begins with `short` and the next character, if any, is a separator."""
    a, b = normal(short), normal(long)
    return bool(a) and (a == b or b.startswith(a + "_"))


def bids_subject(path: str) -> str:
    """Give the ``sub-…`` entity of a path (BIDS), or empty."""
    found = _BIDS.search(path.replace("\\", "/"))
    return found.group(1) if found else ""


def folder_identity(folders: Sequence[str]) -> str:
    """Give the innermost folder name that is not generic; `folders` from the outermost. Empty if there is none."""
    for name in reversed(folders):
        if identity(name):
            return name
    return ""


def common_identities(stems: Iterable[str]) -> dict[str, str]:
    """Cut stems of one folder at the first word in which they differ: ``OAS1_0010_MR1_Rater1`` → ``OAS1_0010``.

    Gives stem → identity, or nothing where that would put (almost) every file into a group of its own: then the names
    tell parts of one thing apart, not subjects.
    """
    cut = {s: tokens(s) for s in set(stems)}
    if len(cut) < 3:
        return {}
    depth = 0
    shortest = min(len(t) for t in cut.values())
    while depth < shortest and len({t[depth] for t in cut.values()}) == 1:
        depth += 1
    if depth >= shortest:
        return {}
    groups = {s: "_".join(t[: depth + 1]) for s, t in cut.items()}
    counts = Counter(groups.values())
    numbered = all(any(c.isdigit() for c in g) for g in counts)
    return groups if numbered and len(counts) * 2 <= len(groups) else {}
