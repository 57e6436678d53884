"""The last resort: JSON, text, PDF, and files of a format that nobody knows. Their bytes are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vasculum.errors import Unreadable
from vasculum.formats.base import HEAD_BYTES, Head
from vasculum.formats.text import decode, flatten, looks_like_text, parse_json, read_bytes
from vasculum.model.description import Attributes, Description, Finding, Part
from vasculum.model.kinds import Kind, Severity

TEXT_KEPT = 8000
"""Characters of a note that are kept in the attributes, so that its words are found."""

_JSON_BYTES = 4 * 1024 * 1024
_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (b"\x93NUMPY", "application/x-npy"),
    (b"glTF", "model/gltf-binary"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
)
_OFFICE = (
    (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (".odt", "application/vnd.oasis.opendocument.text"),
    (".npz", "application/x-npz"),
)
_KNOWN_BINARIES = ("application/pdf", "application/rtf", *(media for _, media in _OFFICE))
_TEXT_ENDINGS = {
    ".md": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
ACCESSION_FIELDS = {
    "subjectType": "subject_type",
    "specimenSource": "specimen_source",
    "iDigBioURL": "catalogue_url",
    "species": "species",
    "biologicalSex": "sex",
    "developmentalStage": "developmental_stage",
    "modality": "imaging_modality",
    "contrastEnhancement": "contrast_enhancement",
    "imageContents": "image_contents",
    "anatomicalAreas": "anatomical_areas",
    "license": "license",
    "githubRepoName": "repository",
}
"""Questions of MorphoDepot's accession form, and the fields of subject metadata that they become."""


@dataclass(frozen=True, slots=True)
class Document:
    """Any file at all."""

    name: str = "document"

    def recognises(self, head: Head) -> bool:
        """Yes."""
        return head.size > 0

    def describe(self, path: Path) -> Description:
        """Say what kind of document it is; words and fields go to attributes where they are few."""
        size = path.stat().st_size
        if size == 0:
            raise Unreadable("the file is empty")
        with path.open("rb") as stream:
            start = stream.read(HEAD_BYTES)
        media = _media_type(path, start)
        attributes: Attributes = {}
        findings: tuple[Finding, ...] = ()
        if media == "application/json":
            attributes = _json_attributes(path, size)
        elif media.startswith("text/"):
            attributes = {"document.text": (decode(start)[0][:TEXT_KEPT],)}
        elif media not in _KNOWN_BINARIES and not looks_like_text(start):
            text = f"the format was not recognised ({media}); the bytes are kept as they are"
            findings = (Finding(code="format-not-recognised", text=text, severity=Severity.NOTE),)
        return Description(
            format=self.name,
            kind=Kind.DOCUMENT,
            parts=(Part(name=path.name),),
            title=path.name,
            attributes={"document.media-type": (media,), **attributes},
            findings=findings,
        )


FORMATS = (Document(),)


def is_accession(content: Any) -> bool:
    """Say whether parsed JSON is the accession form of MorphoDepot."""
    return isinstance(content, Mapping) and {"species", "imageContents", "specimenSource"} <= set(content)


def accession_metadata(path: Path) -> dict[str, str]:
    """Give the subject metadata of a ``MorphoDepotAccession.json``; empty if the file is something else.

    Returns
    -------
    dict
        Fields as in `ACCESSION_FIELDS`, exact strings; several answers are joined by ``; ``; unanswered ones are left out.
    """
    try:
        content = parse_json(read_bytes(path, _JSON_BYTES))
    except Unreadable:
        return {}
    if not is_accession(content):
        return {}
    answers = {field: _answer(content.get(question)) for question, field in ACCESSION_FIELDS.items()}
    return {field: answer for field, answer in answers.items() if answer}


def _answer(entry: Any) -> str:
    """An entry is ``[question, answer]`` or the answer; an answer may be a list."""
    answer = entry[1] if isinstance(entry, list) and len(entry) == 2 else entry
    if isinstance(answer, list):
        return "; ".join(str(a) for a in answer if a)
    return str(answer) if answer is not None else ""


def _media_type(path: Path, start: bytes) -> str:
    name = path.name.lower()
    for ending, media in _OFFICE:
        if name.endswith(ending) and start.startswith(b"PK"):
            return media
    for signature, media in _SIGNATURES:
        if start.startswith(signature):
            return media
    if not looks_like_text(start):
        return "application/octet-stream"
    if decode(start)[0].lstrip("\ufeff \t\r\n").startswith(("{", "[")) and name.endswith((".json", ".jsonld")):
        return "application/json"
    return _TEXT_ENDINGS.get(path.suffix.lower(), "text/plain")


def _json_attributes(path: Path, size: int) -> Attributes:
    if size > _JSON_BYTES:
        return {}
    try:
        content = parse_json(read_bytes(path, _JSON_BYTES))
    except Unreadable:
        return {}
    if is_accession(content):
        return {"document.role": ("morphodepot-accession",), **flatten("accession", _accession_fields(content))}
    return flatten("json", content)


def _accession_fields(content: Mapping[str, Any]) -> dict[str, str]:
    answers = {field: _answer(content.get(question)) for question, field in ACCESSION_FIELDS.items()}
    return {field: answer for field, answer in answers.items() if answer}
