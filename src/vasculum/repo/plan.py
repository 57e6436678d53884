"""Planning an import: what the files are, whose they are, what is here already, and what will be refused."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vasculum.dicom.uids import uid_from
from vasculum.errors import VasculumError
from vasculum.model.description import Description, Finding
from vasculum.model.kinds import Kind, Severity, SubjectKind
from vasculum.model.plans import FileOutcome, ImportPlan, Outcome, PlannedSeries, PlannedSubject
from vasculum.model.progress import Progress
from vasculum.repo.drafts import Draft, sort_files
from vasculum.repo.examine import Held, Laboratory
from vasculum.repo.identify import CARRIERS
from vasculum.repo.known import Known
from vasculum.repo.links import with_sources
from vasculum.repo.naming import stem
from vasculum.repo.scan import Met, walk
from vasculum.repo.subjects import Assigned, assign_subjects
from vasculum.repo.tables import MetadataTable

if TYPE_CHECKING:
    from vasculum.catalog import Catalog
    from vasculum.store.local import LocalStore

SAME_BYTES = "the same bytes as "

TABLE_NAMES = ("participants", "subjects", "specimens", "metadata")
"""Tables whose names begin so are asked about subjects without being named by the user (BIDS: ``participants.tsv``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What the user asked to import, and how."""

    paths: Sequence[Path]
    project: str = "default"
    metadata: Path | None = None
    in_place: bool = False
    voxel_size: tuple[float, float, float] | None = None
    """Millimetres along (i, j, k), for stacks that do not say theirs."""
    workers: int = 2


def plan_import(request: ImportRequest, catalog: Catalog, store: LocalStore, progress: Progress) -> ImportPlan:
    """Look at everything and say what an import would do. Changes nothing.

    Raises
    ------
    NotFound
        A path does not exist.
    Invalid
        The metadata table names neither subjects nor files.
    """
    met = list(walk(request.paths))
    known = Known(catalog, store)
    fresh, untouched = known.split([m for m in met if not m.skip])
    with Laboratory(workers=request.workers, scratch_folder=store.scratch_folder) as laboratory:
        held = list(laboratory.examine(fresh, progress))
        readable = [h for h in held if h.readable]
        in_order = [*known.companions(readable, laboratory), *readable]
        sorted_files = sort_files(in_order, laboratory)
        drafts = [_completed(d, request) for d in sorted_files.drafts]
        tables = _tables(request, drafts, untouched)
        assigned = assign_subjects(drafts, tables)
        series = [_planned(a, request, known) for a in assigned]
        series = _with_prints(series, drafts, laboratory, catalog, progress)
    series = with_sources(series)
    outcomes = _outcomes(met, untouched, held, series, sorted_files.copies)
    return ImportPlan(
        project=request.project,
        subjects=_subjects(assigned, tables),
        series=tuple(series),
        files=tuple(outcomes),
        findings=_overall(outcomes),
        sources={
            h.found.path: (h.found.size, h.found.mtime_ns, h.found.sha256) for h in held if not h.found.container
        },
        identified=Counter(CARRIERS.get(h.format, h.format) for h in held if h.identified),
    )


# --- the parts of a plan ---------------------------------------------------------------------------------------------


def _completed(draft: Draft, request: ImportRequest) -> Draft:
    """Give a stack the voxel size that the user stated, and doubt sizes that cannot be."""
    from vasculum.formats.plausible import plausibility
    from vasculum.formats.stack import with_voxel_size

    description = draft.description
    if request.voxel_size and any(f.code == "needs-voxel-size" for f in description.findings):
        description = with_voxel_size(description, request.voxel_size)
    if description.geometry is not None and description.kind is Kind.VOLUME:
        doubt = plausibility(description.geometry, description.modality)
        if doubt and all(f.code != doubt.code for f in description.findings):
            description = replace(description, findings=(*description.findings, doubt))
    if description is not draft.description:
        added = [f for f in draft.findings if f not in draft.description.findings]
        draft = replace(draft, description=description, findings=[*description.findings, *added])
    return draft


def _tables(request: ImportRequest, drafts: Sequence[Draft], untouched: Iterable[str]) -> list[MetadataTable]:
    """Read the metadata table of the request, and those tables under the paths, old and new, that name subjects."""
    tables = [MetadataTable.read(request.metadata)] if request.metadata else []
    fresh = [next(iter(d.local.values())) for d in drafts if d.description.kind is Kind.TABLE]
    for path in (*fresh, *untouched):
        name = os.path.basename(path).lower()
        if name.startswith(TABLE_NAMES) and name.endswith((".csv", ".tsv", ".xlsx")):
            try:
                tables.append(MetadataTable.read(Path(path)))
            except (ValueError, OSError):
                continue  # a table of something else; it is imported as a table all the same
    return tables


def _planned(one: Assigned, request: ImportRequest, known: Known) -> PlannedSeries:
    draft = one.draft
    description = draft.description
    shas = [draft.files[p.name].sha256 for p in description.parts]
    uid = description.dicom.series_instance_uid if description.dicom else ""
    uid = uid or uid_from("series", description.format, *shas)
    study_uid = description.dicom.study_instance_uid if description.dicom else ""
    existing, whole, conflict = known.match(description, shas)
    findings = list(draft.findings)
    if conflict and all(f.code != "same-uid-other-bytes" for f in findings):
        text = "the same SOP Instance UID is here with other bytes; both are kept, apart"
        findings.append(Finding(code="same-uid-other-bytes", text=text, severity=Severity.ERROR))
    return PlannedSeries(
        key=f"{uid}:{uid_from(*shas)[-12:]}",
        uid=uid,
        subject=one.key,
        study_uid=study_uid or uid_from("study", request.project, one.key),
        study_label=_first(description, "StudyDescription"),
        study_date=_date(_first(description, "StudyDate")),
        description=description,
        files=draft.files,
        why=f"{draft.why}; subject by {one.why}" if one.why[0].islower() else f"{draft.why}; subject: {one.why}",
        findings=tuple(findings),
        existing=existing,
        known=whole,
    )


def _with_prints(
    series: list[PlannedSeries], drafts: Sequence[Draft], laboratory: Laboratory, catalog: Catalog, progress: Progress
) -> list[PlannedSeries]:
    todo = [
        n for n, s in enumerate(series) if not s.known and s.description.kind is Kind.VOLUME and s.description.voxels
    ]
    todo = [n for n in todo if series[n].description.geometry is not None]
    prints = laboratory.voxel_prints([(series[n].description, drafts[n].local) for n in todo], progress)
    here = catalog.series_by_print({p for p in prints if isinstance(p, str) and p})
    first: dict[str, str] = {p: ids[0] for p, ids in here.items() if ids}
    for n, voxel_print in zip(todo, prints, strict=True):
        series[n] = _printed(series[n], voxel_print, first)
    return series


def _printed(one: PlannedSeries, voxel_print: str | VasculumError, first: dict[str, str]) -> PlannedSeries:
    """Note the print of a series, and whether another one (`first`: print → key or id) has the same."""
    if isinstance(voxel_print, VasculumError):
        text = f"its voxels cannot be read: {voxel_print.message}"
        fault = Finding(code="unreadable-voxels", text=text, severity=Severity.ERROR)
        return replace(one, findings=(*one.findings, fault))
    one = replace(one, voxel_print=voxel_print)
    earlier = first.setdefault(voxel_print, one.key) if voxel_print else one.key
    if earlier in (one.key, one.existing):
        return one
    finding = Finding(code="same-voxels", text="it holds the same voxels as another series", severity=Severity.NOTE)
    return replace(one, duplicate_of=earlier, findings=(*one.findings, finding))


def _subjects(assigned: Sequence[Assigned], tables: Sequence[MetadataTable]) -> tuple[PlannedSubject, ...]:
    by_key: dict[str, list[Assigned]] = {}
    for one in assigned:
        by_key.setdefault(one.key, []).append(one)
    subjects = []
    for key, members in by_key.items():
        metadata: dict[str, str] = {}
        for one in members:
            metadata |= {k: v for k, v in one.metadata.items() if k not in metadata}
            metadata |= _accession(one.draft)
        for table in tables:
            metadata |= table.metadata_of(members[0].label, [m.draft.path for m in members])
        kinds = [m.kind for m in members]
        kind = next((k for k in kinds if k is not SubjectKind.SPECIMEN), SubjectKind.SPECIMEN)
        first = members[0]
        subjects.append(
            PlannedSubject(
                key=key, label=first.label, kind=kind, issuer=first.issuer, metadata=metadata, why=first.why
            )
        )
    return tuple(subjects)


def _accession(draft: Draft) -> Mapping[str, str]:
    """Read what a MorphoDepot accession record says of the subject."""
    from vasculum.formats.document import accession_metadata

    if stem(draft.path) != "MorphoDepotAccession":
        return {}
    return accession_metadata(Path(next(iter(draft.local.values()))))


def _outcomes(
    met: Sequence[Met],
    untouched: Mapping[str, str],
    held: Sequence[Held],
    series: Sequence[PlannedSeries],
    copies: Mapping[str, str],
) -> list[FileOutcome]:
    of_file: dict[str, PlannedSeries] = {}
    for one in series:
        for file in one.files.values():
            of_file.setdefault(file.path, one)
    outcomes = [FileOutcome(path=m.path, outcome=Outcome.SKIPPED, reason=m.skip) for m in met if m.skip]
    outcomes += [
        FileOutcome(path=path, outcome=Outcome.KNOWN, series=series_id, reason="imported before, unchanged")
        for path, series_id in untouched.items()
    ]
    outcomes += [_outcome(h, of_file.get(h.found.path), of_file, copies) for h in held]
    order = {m.path: n for n, m in enumerate(met)}
    return sorted(outcomes, key=lambda o: (order.get(o.path.split("!/", 1)[0], len(order)), "!/" in o.path))


def _outcome(
    held: Held, series: PlannedSeries | None, of_file: Mapping[str, PlannedSeries], copies: Mapping[str, str]
) -> FileOutcome:
    path = held.found.path
    if held.found.refusal:
        return FileOutcome(path=path, outcome=Outcome.REFUSED, reason=held.found.refusal)
    if series is None:
        original = copies.get(path, "")
        twin = of_file.get(original)
        reason = SAME_BYTES + os.path.basename(original)
        return FileOutcome(
            path=path,
            outcome=Outcome.KNOWN,
            kind=twin.description.kind if twin else None,
            series=twin.key if twin else "",
            reason=reason,
        )
    outcome = Outcome.KNOWN if series.known else Outcome.IMPORTED
    words = "; ".join(f.text for f in series.findings if f.severity is not Severity.NOTE)
    reason = "here already" if series.known else words
    return FileOutcome(path=path, outcome=outcome, kind=series.description.kind, series=series.key, reason=reason)


def _overall(outcomes: Sequence[FileOutcome]) -> tuple[Finding, ...]:
    if not outcomes:
        return (Finding(code="nothing-found", text="no files were found"),)
    return ()


def _first(description: Description, name: str) -> str:
    values = description.attributes.get(name, ())
    return str(values[0]) if values else ""


def _date(text: str) -> str:
    digits = text.replace(".", "").replace("-", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if len(digits) == 8 and digits.isdigit() else ""
