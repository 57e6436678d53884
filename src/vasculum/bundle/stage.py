"""The staging folder of a bundle: files made for it, and the lists from which zip, scene and crate are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vasculum.model.description import Finding
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Severity
from vasculum.model.records import Series, Study, Subject

from .layout import Names, safe_name
from .marks import marks_of
from .record import series_record, study_record, subject_record
from .report import Item, LeftOut
from .scene import SceneObject

if TYPE_CHECKING:
    from vasculum.dicom.subject import Context
    from vasculum.dicom.write import Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file that becomes a member."""

    name: str
    path: Path
    """Where its bytes are: in the staging folder, or an original."""
    what: str
    media_type: str
    series: str = ""
    aligned: bool = False
    original_name: str = ""


@dataclass(slots=True, kw_only=True)
class Stage:
    """Collects what a bundle will hold. Packers of the kinds add to it; `pack` writes it out."""

    folder: Path
    subject: Subject
    studies: Sequence[Study]
    when: datetime
    names: Names
    header: Mapping[str, Any] = field(default_factory=dict)
    """DICOM JSON of one slice, whose Patient and Study values hold for every object."""
    entries: list[Entry] = field(default_factory=list)
    objects: list[SceneObject] = field(default_factory=list)
    written: dict[str, Written] = field(default_factory=dict)
    """DICOM objects by the id of their series."""
    geometries: dict[str, Geometry] = field(default_factory=dict)
    """Where the frames of those objects lie, by the id of their series."""
    left_out: list[LeftOut] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    _scratch: int = 0

    def path_of(self, name: str) -> Path:
        """Where a member is staged; its folder is made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def scratch(self) -> Path:
        """A file beside the members for what is needed while packing only."""
        self._scratch += 1
        return self.folder / f"scratch-{self._scratch}"

    def add_made(self, item: Item | None, name: str, what: str, media_type: str, *, aligned: bool = False) -> None:
        """List a file that was made in the staging folder."""
        series = item.series.id if item else ""
        entry = Entry(
            name=name, path=self.folder / name, what=what, media_type=media_type, series=series, aligned=aligned
        )
        self.entries.append(entry)

    def add_original(self, item: Item, part: str, name: str, what: str, media_type: str) -> None:
        """List an original file, whose bytes go in as they are."""
        entry = Entry(
            name=name,
            path=item.locate(part),
            what=what,
            media_type=media_type,
            series=item.series.id,
            original_name="" if name.endswith(f"/{part}") else part,
        )
        self.entries.append(entry)

    def add_object(self, item: Item, tag: str, file: str, **more: Any) -> None:
        """Add a node to the scene, with our marks. `file` is the whole name of the member."""
        series = item.series
        written = self.written.get(series.id)
        uids = {"DICOM": written.series_uid, "DICOMInstance": written.sop_instance_uid} if written else {}
        self.objects.append(
            SceneObject(
                tag=tag,
                name=title_of(item),
                file=file.removeprefix(f"{self.names.root}/"),
                series=series.id,
                study=series.study,
                uids=uids,
                marks=marks_of(series),
                **more,
            )
        )

    def leave_out(self, series: Series, reason: str) -> None:
        """Say that a series is not there as one would expect."""
        self.left_out.append(LeftOut(series=series.id, reason=reason))

    def note(self, item: Item, code: str, text: str) -> None:
        """Say how a series was written, without its name."""
        whole = f"{item.series.kind} {item.series.id}: {text}"
        self.findings.append(Finding(code=code, text=whole, severity=Severity.NOTE))

    def keep_written(self, item: Item, written: Written, geometry: Geometry) -> None:
        """Remember the DICOM object of a series, and say what its writer had to change."""
        self.written[item.series.id] = written
        self.geometries[item.series.id] = geometry
        for text in written.notes:
            self.note(item, "dicom-note", text)

    def context(self, item: Item) -> Context:
        """Give what DICOM objects of this series are stamped with."""
        from vasculum.dicom.subject import Context

        number, study = next(
            ((n, s) for n, s in enumerate(self.studies, start=1) if s.id == item.series.study), (1, None)
        )
        record = {
            "format": "vasculum-object/1",
            "subject": subject_record(self.subject),
            "study": study_record(study) if study else {},
            "source": record_of(item),
        }
        return Context(
            subject_label=self.subject.label,
            subject_kind=self.subject.kind,
            issuer=self.subject.issuer,
            subject_metadata=self.subject.metadata,
            study_uid=study.uid if study else "",
            study_label=study.label if study else "",
            study_date=study.date if study else "",
            study_id=str(number),
            accession=str(study.metadata.get("accession", "")) if study else "",
            record=record,
            header=self.header,
        )

    def number_of(self, item: Item) -> int:
        """Series Number: the position among the DICOM series of the bundle, from 1."""
        return len(self.written) + (item.series.id not in self.written)


def record_of(item: Item) -> dict[str, Any]:
    """Give the record of one series."""
    return series_record(item.series, item.description.attributes, item.sources)


def title_of(item: Item) -> str:
    """The name of a series for people."""
    return item.series.label or item.description.title or str(item.series.kind)


def folder_of(item: Item) -> str:
    """Folder under ``original/`` for the files of a series: its name and the start of its id."""
    return f"{safe_name(title_of(item))[:36].rstrip(' .')}-{item.series.id[-8:]}"
