"""``vasculum check``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

EXAMPLES = """\
Examples:
  vasculum check mouse-skull-01.mrb
      every byte and every link of a bundle; needs no repository
  vasculum check --all
      every byte of the repository against its digest

Exit code 1: something is damaged."""


def check(
    file: Annotated[Path | None, Parameter(help="A bundle.")] = None,
    /,
    *,
    everything: Annotated[bool, Parameter(name="--all", help="Verify the repository instead.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Verify a bundle, or every byte of the repository."""
    from vasculum.errors import Invalid

    if (file is None) is not everything:
        raise Invalid("name a bundle to check, or --all for the repository", hint="not both")
    return _check_repository(options) if file is None else _check_bundle(file, options)


def _check_bundle(file: Path, options: Options) -> int:
    import vasculum
    from vasculum.cli.exits import DONE, SOME_REFUSED
    from vasculum.cli.printing import print_json, say
    from vasculum.model.kinds import Severity

    findings = vasculum.check_bundle(file)
    damaged = any(finding.severity is Severity.ERROR for finding in findings)
    if options.json:
        print_json({"path": file, "sound": not damaged, "findings": findings})
    else:
        for finding in findings:
            say(f"{finding.severity}: {finding.text}")
        say(f"{file.name} is {'damaged' if damaged else 'sound'}.")
    return SOME_REFUSED if damaged else DONE


def _check_repository(options: Options) -> int:
    from vasculum.cli.exits import DONE, SOME_REFUSED
    from vasculum.cli.printing import byte_size, counted, json_ready, print_json, print_table, say
    from vasculum.cli.progress import progress_for

    with closing(options.open()) as repository:
        report = repository.check(progress=progress_for(json=options.json))
    if options.json:
        print_json(json_ready(report) | {"sound": report.sound})
    else:
        rows = [(d.sha256, d.reason, "\n".join(d.series)) for d in report.damaged]
        if rows:
            print_table(("SHA-256", "Damage", "Series"), rows, whole=("Series",))
        if report.catalogue:
            say(f"The catalogue: {report.catalogue}")
        state = f"{len(report.damaged):,} damaged" if report.damaged else "every byte as it was stored"
        say(f"Checked {counted(report.checked, 'file')}, {byte_size(report.bytes)}: {state}.")
    return DONE if report.sound else SOME_REFUSED
