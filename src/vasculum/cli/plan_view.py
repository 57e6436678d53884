"""A plan of an import, for people: whose, what, why, what is doubtful, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from vasculum.cli.printing import counted, folded, print_table, say
from vasculum.model.description import Finding
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Severity
from vasculum.model.plans import FileOutcome, ImportPlan, Outcome, PlannedSeries

EXAMPLES_PER_REASON = 3
"""How many files are named for each reason of refusal, unless all are asked for."""


def print_plan(plan: ImportPlan, *, everything: bool) -> None:
    """Print what an import would do."""
    print_series(plan, everything=everything)
    print_doubts(plan, everything=everything)
    print_refusals(plan.files, everything=everything)
    print_identified(plan)
    say(f"Plan: {summary(plan.files)}; {_contents(plan)}. Nothing has been changed.")


def print_series(plan: ImportPlan, *, everything: bool) -> None:
    """Print subjects → studies → series, with why they were grouped so."""
    if not plan.series:
        return
    labels = {subject.key: subject.label for subject in plan.subjects}
    ordered = sorted(plan.series, key=lambda s: (labels.get(s.subject, s.subject), s.study_date, s.study_label))
    shown, more = folded(ordered, everything=everything)
    rows: list[Sequence[str]] = []
    above = ("", "")
    for series in shown:
        subject, study = labels.get(series.subject, series.subject), _study(series)
        same_subject = subject == above[0]
        rows.append(
            (
                "" if same_subject else subject,
                "" if same_subject and study == above[1] else study,
                what(series),
                _state(series),
                series.why,
            )
        )
        above = (subject, study)
    print_table(("Subject", "Study", "Series", "", "Why"), rows, more=more)


def what(series: PlannedSeries) -> str:
    """Say in a few words what a series is: ``volume CT 512×512×80, 0.5×0.5×1.25 mm``."""
    described = series.description
    words = [str(described.kind), described.modality or described.format, described.title]
    if described.geometry is not None:
        words.append(grid(described.geometry))
    if described.segments:
        words.append(counted(len(described.segments), "segment"))
    if described.landmarks:
        words.append(counted(len(described.landmarks), "landmark"))
    if len(series.files) > 1:
        words.append(counted(len(series.files), "file"))
    return " · ".join(word for word in words if word)


def grid(geometry: Geometry) -> str:
    """Give voxels and spacing along (i, j, k): ``512×512×80, 0.5×0.5×1.25 mm``."""
    sizes = "×".join(str(n) for n in reversed(geometry.shape))
    return f"{sizes}, {'×'.join(f'{s:.4g}' for s in geometry.spacing)} mm"


def print_doubts(plan: ImportPlan, *, everything: bool) -> None:
    """Print findings that a person should look at; each text once, with how many series it is about."""
    all_findings = [(f, s) for s in plan.series for f in s.findings] + [(f, None) for f in plan.findings]
    worth = [(f, s) for f, s in all_findings if everything or f.severity is not Severity.NOTE]
    if not worth:
        return
    counts: Counter[Finding] = Counter(f for f, _ in worth)
    names: dict[Finding, str] = {}
    for finding, series in worth:
        names.setdefault(finding, series.description.title if series else "")
    shown, more = folded(counts.most_common(), everything=everything)
    rows = [(f.severity, _where(names[f], n), f.text) for f, n in shown]
    print_table(("Findings", "Series", ""), rows, more=more)


def print_refusals(files: Iterable[FileOutcome], *, everything: bool) -> None:
    """Print refused files by reason, the commonest first."""
    by_reason: dict[str, list[str]] = {}
    for file in files:
        if file.outcome is Outcome.REFUSED:
            by_reason.setdefault(file.reason, []).append(file.path)
    if not by_reason:
        return
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    shown, more = folded(ordered, everything=everything)
    rows = [(f"{len(paths):,}", reason, _named(paths, everything=everything)) for reason, paths in shown]
    print_table(("Refused", "Why", "Files"), rows, numeric=("Refused",), more=more)


def print_identified(plan: ImportPlan) -> None:
    """Say how many files carry a person's identity, and where in them."""
    if plan.identified:
        carriers = ", ".join(f"{carrier}: {n:,}" for carrier, n in plan.identified.items())
        say(f"Files that carry a person's identity: {sum(plan.identified.values()):,} ({carriers}).")


def summary(files: Iterable[FileOutcome]) -> str:
    """Count files by outcome: ``93 imported, 2 refused``."""
    counts = Counter(file.outcome for file in files)
    return ", ".join(f"{counts[o]:,} {o}" for o in Outcome if counts[o]) or "no files"


def _contents(plan: ImportPlan) -> str:
    return f"{counted(len(plan.subjects), 'subject')}, {counted(len(plan.series), 'series', 'series')}"


def _study(series: PlannedSeries) -> str:
    return " ".join(word for word in (series.study_date, series.study_label) if word) or "–"


def _state(series: PlannedSeries) -> str:
    if series.known:
        return "known"
    return "completes" if series.existing else "new"


def _where(title: str, n: int) -> str:
    return (title or "–") if n == 1 else f"{title or '–'} and {n - 1:,} more"


def _named(paths: Sequence[str], *, everything: bool) -> str:
    if everything:
        return "\n".join(paths)
    named = ", ".join(Path(path).name or path for path in paths[:EXAMPLES_PER_REASON])
    return named if len(paths) <= EXAMPLES_PER_REASON else f"{named} …"
