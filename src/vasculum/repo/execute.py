"""Carrying an import plan out: bytes first, durably; then one transaction; only then "imported" (DESIGN 9)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from uuid_utils import uuid7

from vasculum import errors
from vasculum.model.description import Finding
from vasculum.model.kinds import Severity
from vasculum.model.plans import (
    FileOutcome,
    FoundFile,
    ImportPlan,
    ImportReport,
    Outcome,
    PlannedSeries,
)
from vasculum.model.progress import Progress
from vasculum.model.records import Activity, Agent, Blob, Instance, Series, StoredFile, Study, Subject
from vasculum.repo.naming import stem
from vasculum.store.base import How, Incoming, Refusal

if TYPE_CHECKING:
    from vasculum.catalog import Catalog, Writer
    from vasculum.store.base import BlobStore

BATCH_FILES = 1000
BATCH_BYTES = 512 * 2**20
"""Series are committed together until they have so many files or bytes: one flush of the disk for all of them."""


@dataclass(slots=True)
class _Done:
    """What happened so far."""

    outcomes: dict[str, FileOutcome]
    ids: dict[str, str] = field(default_factory=dict)
    """Series key → id."""
    findings: list[Finding] = field(default_factory=list)
    stored: int = 0


class Execution:
    """One run of a plan. Every batch is whole or absent; running the plan again completes what is missing."""

    def __init__(self, plan: ImportPlan, catalog: Catalog, store: BlobStore, *, in_place: bool, how: How) -> None:
        self._plan = plan
        self._catalog = catalog
        self._store = store
        self._in_place = in_place
        self._how = how
        self._subjects: dict[str, str] = {}
        self._studies: dict[tuple[str, str], str] = {}
        self._versions: dict[str, list[str]] = {}
        self._done = _Done({f.path: f for f in plan.files}, {s.key: s.existing for s in plan.series if s.existing})
        self._activity = Activity(
            id=str(uuid7()),
            type="import",
            started=datetime.now(UTC),
            agent=_software(),
            parameters={"files": len(plan.files), "how": "in place" if in_place else how},
        )

    def run(self, progress: Progress) -> ImportReport:
        """Store and record everything; what fails is refused in the report, and the rest goes on."""
        began = time.monotonic()
        todo = [s for s in self._plan.series if not s.known]
        self._begin(bool(todo))
        progress.start("Storing", sum(len(s.files) for s in todo))
        for batch in _batches(todo):
            try:
                self._batch(batch)
            except errors.Unavailable as full:
                self._stop(full)
                break
            progress.advance(sum(len(s.files) for s in batch))
        self._finish()
        progress.done()
        return ImportReport(
            project=self._plan.project,
            files=tuple(self._named(o) for o in self._done.outcomes.values()),
            series=tuple(self._done.ids[s.key] for s in todo if self._done.ids.get(s.key)),
            findings=(*self._plan.findings, *self._done.findings),
            seconds=time.monotonic() - began,
            bytes_stored=self._done.stored,
        )

    # --- before and after ----------------------------------------------------------------------------------------

    def _begin(self, changes: bool) -> None:
        """Record the subjects, and that an import began; nothing where nothing is new."""
        project = self._catalog.project(self._plan.project)
        subjects = []
        for planned in self._plan.subjects:
            here = self._catalog.subject_by_label(project.id, planned.label, planned.issuer)
            self._subjects[planned.key] = here.id if here else str(uuid7())
            metadata = {**(here.metadata if here else {}), **planned.metadata}
            if here is None or metadata != dict(here.metadata):
                subjects.append(
                    Subject(
                        id=self._subjects[planned.key],
                        project=project.id,
                        label=planned.label,
                        kind=here.kind if here else planned.kind,
                        issuer=planned.issuer,
                        metadata=metadata,
                    )
                )
        if not subjects and not changes:
            return
        with self._catalog.transaction() as writer:
            writer.put_activity(self._activity)
            for subject in subjects:
                writer.put_subject(subject)

    def _finish(self) -> None:
        """Link what was derived to its sources, and remember the files on disk by their times."""
        ids = self._done.ids
        links = [
            (ids[s.key], ids[source])
            for s in self._plan.series
            for source in s.sources
            if ids.get(s.key) and ids.get(source)
        ]
        here = self._catalog.sources(set(self._plan.sources))
        new = [(path, *seen) for path, seen in self._plan.sources.items() if here.get(path) != seen]
        if not new and not links:
            return
        with self._catalog.transaction() as writer:
            for series, source in links:
                writer.link(series, source, self._activity.id)
            writer.put_sources(new)

    def _stop(self, fault: errors.VasculumError) -> None:
        """Refuse what is left where the disk gives out: what was committed stays, what was not is not there."""
        self._done.findings.append(Finding(code=fault.kind, text=str(fault), severity=Severity.ERROR))
        for one in self._plan.series:
            if not one.known and one.key not in self._done.ids:
                self._refuse(one, fault.message)

    # --- a batch -------------------------------------------------------------------------------------------------

    def _batch(self, batch: Sequence[PlannedSeries]) -> None:
        blobs, refusals = self._take_in([f for s in batch for f in s.files.values()])
        whole = []
        for one in batch:
            reasons = [refusals[f.path] for f in one.files.values() if f.path in refusals]
            if reasons:
                self._refuse(one, reasons[0], only=set(refusals))
            else:
                whole.append(one)
        if not whole:
            return
        self._learn_versions(whole)
        with self._catalog.transaction() as writer:
            writer.put_blobs({b.sha256: b for s in whole for b in self._blobs_of(s, blobs)}.values())
            for one in whole:
                self._done.ids[one.key] = self._record(writer, one, blobs)
            writer.audit(
                action="C",
                event="Data Import",
                agent=self._activity.agent.name,
                objects=tuple(self._done.ids[s.key] for s in whole),
                time=datetime.now(UTC),
            )

    def _take_in(self, files: Sequence[FoundFile]) -> tuple[dict[str, Blob], dict[str, str]]:
        """Make every file's bytes durable.

        Returns
        -------
        blobs, refusals
            SHA-256 → where the bytes are now; path → why they could not be stored.
        """
        blobs: dict[str, Blob] = {}
        refusals: dict[str, str] = {}
        todo: dict[str, FoundFile] = {}
        known = self._catalog.known_blobs({file.sha256 for file in files})
        for file in files:
            here = known.get(file.sha256)
            if here is not None and (here.location or self._store.has(file.sha256)):
                blobs[file.sha256] = here
            elif file.container:
                blobs[file.sha256] = Blob(
                    sha256=file.sha256, size=file.size, location=f"member:{file.container}/{file.member}"
                )
            elif self._in_place:
                location = f"file:{os.path.abspath(file.path)}"
                blobs[file.sha256] = Blob(sha256=file.sha256, size=file.size, location=location)
                if _changed(file):
                    refusals[file.path] = "changed while it was read"
            else:
                todo.setdefault(file.sha256, file)
        answers = self._store.put(
            [Incoming(Path(f.path), sha256=f.sha256, size=f.size) for f in todo.values()], how=self._how
        )
        for file, answer in zip(todo.values(), answers, strict=True):
            if not isinstance(answer, Refusal):
                blobs[answer.sha256] = answer.blob
                self._done.stored += answer.size if answer.how != "present" else 0
            elif answer.kind == errors.Unavailable.kind:
                raise errors.Unavailable(answer.reason, hint="make room or mend the disk, then run the import again")
            else:
                refusals |= {f.path: answer.reason for f in files if f.sha256 == file.sha256}
        return blobs, refusals

    @staticmethod
    def _blobs_of(one: PlannedSeries, blobs: Mapping[str, Blob]) -> Iterator[Blob]:
        for file in one.files.values():
            yield blobs[file.sha256]

    def _record(self, writer: Writer, one: PlannedSeries, blobs: Mapping[str, Blob]) -> str:
        description = one.description
        study = self._study(writer, one)
        series_id = one.existing or str(uuid7())
        files = tuple(
            StoredFile(name=p.name, role=p.role, blob=blobs[f.sha256], source=f.path)
            for p in description.parts
            if (f := one.files[p.name])
        )
        series = Series(
            id=series_id,
            study=study,
            subject=self._subjects[one.subject],
            uid=one.uid,
            kind=description.kind,
            format=description.format,
            label=description.title or stem(description.parts[0].name),
            modality=description.modality,
            geometry=description.geometry,
            voxels=description.voxels,
            segments=description.segments,
            landmarks=description.landmarks,
            findings=one.findings,
            voxel_print=one.voxel_print,
            files=files,
            imported=self._activity.started,
            activity=self._activity.id,
        )
        writer.put_series(series, replace(description, findings=one.findings))
        writer.put_files(series_id, files)
        writer.put_instances(self._instances(one, series_id))
        return series_id

    def _study(self, writer: Writer, one: PlannedSeries) -> str:
        """Give the id of the study of a series; two subjects with one Study Instance UID are two studies."""
        subject = self._subjects[one.subject]
        if (subject, one.study_uid) not in self._studies:
            here = self._catalog.study_by_uid(self._project_id(), one.study_uid)
            if here is None or here.subject != subject:
                here = Study(
                    id=str(uuid7()), subject=subject, uid=one.study_uid, label=one.study_label, date=one.study_date
                )
                writer.put_study(here)
            self._studies[subject, one.study_uid] = here.id
        return self._studies[subject, one.study_uid]

    def _instances(self, one: PlannedSeries, series_id: str) -> list[Instance]:
        description = one.description
        shas = [one.files[p.name].sha256 for p in description.parts]
        if not description.instances:
            uid = one.uid
            return [
                Instance(id=str(uuid7()), series=series_id, uid=uid, file=description.parts[0].name, sha256=shas[0])
            ]
        identities = zip(description.parts, description.instances, shas, strict=False)
        return [
            Instance(
                id=str(uuid7()),
                series=series_id,
                uid=identity.sop_instance_uid or one.uid,
                sop_class_uid=identity.sop_class_uid,
                file=part.name,
                sha256=sha,
                version=self._version(identity.sop_instance_uid, sha),
            )
            for part, identity, sha in identities
        ]

    def _learn_versions(self, batch: Sequence[PlannedSeries]) -> None:
        """Learn which SOP Instance UIDs of a batch are here, and with which bytes."""
        uids = {i.sop_instance_uid for s in batch for i in s.description.instances if i.sop_instance_uid}
        for uid, versions in self._catalog.known_instances(uids - self._versions.keys()).items():
            self._versions[uid] = [sha for _, sha, _ in sorted(versions, key=lambda v: v[2])]

    def _version(self, uid: str, sha: str) -> int:
        """Number the contents of one SOP Instance UID, in the order in which they came."""
        if not uid:
            return 1
        versions = self._versions.setdefault(uid, [])
        if sha not in versions:
            versions.append(sha)
        return versions.index(sha) + 1

    def _project_id(self) -> str:
        return self._catalog.project(self._plan.project).id

    # --- outcomes ------------------------------------------------------------------------------------------------

    def _refuse(self, one: PlannedSeries, reason: str, only: set[str] | None = None) -> None:
        for file in one.files.values():
            before = self._done.outcomes.get(file.path)
            if before is None or before.outcome is not Outcome.IMPORTED:
                continue
            words = (
                reason if only is None or file.path in only else f"another file of its series was refused: {reason}"
            )
            self._done.outcomes[file.path] = replace(before, outcome=Outcome.REFUSED, series="", reason=words)

    def _named(self, outcome: FileOutcome) -> FileOutcome:
        """Replace the key of a series by its id."""
        return replace(outcome, series=self._done.ids.get(outcome.series, outcome.series))


def _software() -> Agent:
    from importlib.metadata import version

    return Agent(name="vasculum", version=version("vasculum"))


def _changed(file: FoundFile) -> bool:
    try:
        status = os.stat(file.path)
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns)


def _batches(series: Sequence[PlannedSeries]) -> Iterator[list[PlannedSeries]]:
    """Cut into batches. A container comes before its members: their bytes are found through it."""
    batch: list[PlannedSeries] = []
    files = size = 0
    for one in sorted(series, key=lambda s: any(f.container for f in s.files.values())):
        batch.append(one)
        files += len(one.files)
        size += sum(f.size for f in one.files.values())
        if files >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, files, size = [], 0, 0
    if batch:
        yield batch
