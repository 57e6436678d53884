"""The report of an import, for people."""

from __future__ import annotations

from vasculum.cli.plan_view import print_doubts, print_identified, print_refusals, summary
from vasculum.cli.printing import byte_size, counted, print_table, say
from vasculum.model.plans import ImportPlan, ImportReport


def print_report(plan: ImportPlan, report: ImportReport, *, everything: bool) -> None:
    """Print what an import did."""
    print_doubts(plan, everything=everything)
    new = [f for f in report.findings if f not in plan.findings]
    if new:
        print_table(("Findings", ""), [(f.severity, f.text) for f in new])
    print_refusals(report.files, everything=everything)
    print_identified(plan)
    seconds = max(report.seconds, 1e-3)
    say(
        f"Import: {summary(report.files)}; {counted(len(report.series), 'series', 'series')} created or completed, "
        f"{byte_size(report.bytes_stored)} stored in {seconds:.1f} s."
    )
