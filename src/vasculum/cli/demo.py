"""``vasculum demo``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

if TYPE_CHECKING:
    from vasculum.repo.repository import Repository

EXAMPLES = """\
Examples:
  vasculum demo
      sample data: a head CT, a mouse skull and a table about it
  vasculum demo /tmp/demo --data scans/
      the same with your own folder

Safe to repeat. Everything it makes is in one folder; delete that when done."""

QUERIES = {
    'species:"Mus musculus" voxel<0.2': "By what the table said, and by a comparison.",
    'has:segmentation("mandible")': "What holds a mandible, or has a segmentation that does.",
    'strain:"BKS.Cg-Dock7m +/+ Leprdb/J" OR landmark:superior': "Difficult characters; a landmark by its name.",
}
"""Searches that show what can be asked of the samples."""

QUERIES_OF_ANY = {"kind:volume": "All volumes."}


def demo(
    folder: Annotated[Path, Parameter(help="Where to make it.")] = Path("vasculum-demo"),
    /,
    *,
    data: Annotated[Path | None, Parameter(help="Import this folder instead of the samples.")] = None,
    options: Options = NO_OPTIONS,
) -> int:
    """See it work on sample data: plan, import, search, pack one subject into one file, check that file."""
    from vasculum.cli.exits import DONE
    from vasculum.cli.printing import print_json
    from vasculum.samples import METADATA_TABLE

    steps = _Steps(silent=options.json)
    source = data if data is not None else _copied_samples(folder)
    with closing(_repository(folder / "repository")) as repository:
        metadata = source / METADATA_TABLE if data is None else None
        _import(repository, source, metadata, steps)
        if data is None:
            _derive(repository, source, steps)
            _import(repository, source, metadata, steps)
        _search(repository, steps, QUERIES if data is None else QUERIES_OF_ANY)
        packed = _pack(repository, folder, steps)
        root = repository.root
    if options.json:
        print_json({"repository": root, "data": source, "bundle": packed})
    else:
        _what_next(root, packed, steps)
    return DONE


class _Steps:
    """Tells what is done, as the command that does it."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent

    def say(self, comment: str, *command: str) -> None:
        from rich.console import Console
        from rich.text import Text

        if self.silent:
            return
        console = Console(highlight=False, soft_wrap=True)
        console.print(Text(f"\n# {comment}", style="dim"))
        if command:
            console.print(Text("$ vasculum " + " ".join(shlex.quote(word) for word in command), style="bold"))


def _copied_samples(folder: Path) -> Path:
    """Copy the samples to where a person can look at them, and where derived files can stand beside them."""
    import shutil

    from vasculum.samples import SAMPLES

    target = folder / "data"
    shutil.copytree(SAMPLES, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def _repository(folder: Path) -> Repository:
    import vasculum
    from vasculum.errors import NotFound

    try:
        return vasculum.open_repository(folder)
    except NotFound:
        return vasculum.init_repository(folder)


def _import(repository: Repository, source: Path, metadata: Path | None, steps: _Steps) -> None:
    from vasculum.cli.plan_view import print_plan
    from vasculum.cli.progress import progress_for
    from vasculum.cli.report_view import print_report

    progress = progress_for(json=steps.silent)
    words = [str(source), *(("--metadata", str(metadata)) if metadata else ())]
    steps.say("What is in the folder, whose is it, and why? Nothing is changed yet.", "import", "--plan", *words)
    plan = repository.plan_import([source], metadata=metadata, progress=progress)
    if not steps.silent:
        print_plan(plan, everything=False)
    steps.say("Take it in.", "import", *words)
    report = repository.execute(plan, progress=progress)
    if not steps.silent:
        print_report(plan, report, everything=False)


def _derive(repository: Repository, source: Path, steps: _Steps) -> None:
    """Segment the bone of the head CT and place landmarks on it, as files beside it."""
    from vasculum.samples import HEAD
    from vasculum.samples.derive import derive_bone

    head = next(s for s in repository.find("kind:volume modality:CT format:dicom"))
    derive_bone(head.volume(), source / HEAD, HEAD)
    steps.say("A script segments the bone of the head and sets landmarks. Import again: only what is new is stored.")


def _search(repository: Repository, steps: _Steps, queries: Mapping[str, str]) -> None:
    from vasculum.cli.find import print_found

    for query, comment in queries.items():
        steps.say(comment, "find", query)
        if not steps.silent:
            print_found(repository, repository.find(query, limit=20), "series", (), "table")


def _pack(repository: Repository, folder: Path, steps: _Steps) -> Path | None:
    """Pack the subject of the first volume into one file, and verify the file."""
    import vasculum
    from vasculum.bundle.layout import safe_name
    from vasculum.cli.pack import print_pack_report
    from vasculum.cli.printing import say
    from vasculum.errors import Integrity

    volumes = repository.find("kind:volume", order=("subject",))
    volume = next((v for v in volumes if v.geometry is not None and v.geometry.regular), None)
    if volume is None:
        steps.say("There is no volume with a regular grid here to pack.")
        return None
    subject = volume.subject
    target = folder / f"{safe_name(subject.label)}.mrb"
    target.unlink(missing_ok=True)  # of an earlier demo, in the demo's own folder
    steps.say("One file with all of a subject.", "pack", subject.label, "-o", str(target))
    report = repository.pack(subject.id, target)
    if not steps.silent:
        print_pack_report(report)
    steps.say("Verify every byte and every link of it.", "check", str(target))
    findings = vasculum.check_bundle(target)
    if findings:
        raise Integrity(f"{target.name} did not pass its check: {findings[0].text}")
    if not steps.silent:
        say(f"{target.name} is sound.")
    return target


def _what_next(root: Path, packed: Path | None, steps: _Steps) -> None:
    from vasculum.cli.printing import say

    steps.say("What to type next")
    repo = shlex.quote(str(root))
    lines = [
        f"  vasculum find --repo {repo} --level subject",
        f"  vasculum find --repo {repo} --facet kind --facet species",
        f"  vasculum import --repo {repo} --plan YOUR-FOLDER",
    ]
    if packed is not None:
        lines.insert(0, f"  vasculum inspect {shlex.quote(str(packed))}")
        lines.append(f"  drop {packed} on 3D Slicer")
    say("\n".join(lines))
