"""The command: which commands there are, and how a failure becomes one line and an exit code.

Everything heavy is imported by the command that needs it: the modules of the commands are named here as text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

from cyclopts import App, CycloptsError, Group, Parameter

from vasculum.cli.exits import DONE, FAILED, STOPPED, USAGE
from vasculum.errors import Invalid, VasculumError

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init:init", "Make a repository."),
    "import": ("import_:import_", "Plan and import files and folders of any kind."),
    "find": ("find:find", "Search by anything that is known."),
    "show": ("show:show", "Show all that is known of one subject, study or series."),
    "set": ("set_:set_", "Say what a subject, study or series is."),
    "pack": ("pack:pack", "Write one file that 3D Slicer opens and that is DICOM."),
    "inspect": ("inspect_:inspect", "Say what is in a bundle, a scene or any file."),
    "check": ("check:check", "Verify a bundle, or every byte of the repository."),
    "export": ("export:export", "Write series out as files."),
    "demo": ("demo:demo", "See it work on sample data."),
    "version": ("version:version", "Say which version this is, with those of its libraries."),
}
"""Command → where its function is, and what it does. The order is that of the help."""

EPILOGUE = """\
Start here:
  vasculum demo                           see it work on sample data
  vasculum import --plan SCANS            what is in there? changes nothing
  vasculum import SCANS                   take it in
  vasculum find 'modality:CT voxel<0.5'   search
  vasculum pack SUBJECT -o subject.mrb    one file for 3D Slicer

The repository is ./vasculum-repo, or $VASCULUM_REPO, or --repo FOLDER.
Every command prints JSON with --json; 'vasculum COMMAND --help' has examples.
Exit codes: 0 done, 1 some items refused or damaged, 2 usage, 3 failed."""


def make_app(asked: str = "") -> App:
    """Put the commands together.

    Parameters
    ----------
    asked
        The command that is called. Only its module is loaded; of the others the help needs a line.
    """
    app = App(
        name="vasculum",
        help="Images of patients and specimens, with everything made from them: organised, searchable, portable.",
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
        version=_version,
        version_flags=("--version",),
        default_parameter=Parameter(negative=(), show_default=_worth_showing),
        group_arguments=Group("Arguments", sort_key=1),
        group_parameters=Group("Options", sort_key=2),
    )
    for position, (name, (where, summary)) in enumerate(COMMANDS.items()):
        if name == asked:
            examples = import_module(f"vasculum.cli.{where.partition(':')[0]}").EXAMPLES
            app.command(f"vasculum.cli.{where}", name=name, help_epilogue=examples, sort_key=position)
        else:
            app.command(f"vasculum.cli.{where}", name=name, help=summary, sort_key=position)
    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give the exit code: 0 done, 1 some items refused or damaged, 2 usage, 3 failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        return _unknown(words[0])
    _write_utf8()
    try:
        app = make_app(words[0] if words else "")
        result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        return result if isinstance(result, int) else DONE
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Point stdout elsewhere, or Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return _fail("stopped", "nothing is half-done; the same command goes on where it was", STOPPED)
    except Exception as error:
        if debug:
            raise
        return _explain(error, words)


def _write_utf8() -> None:
    """Write UTF-8 with plain line feeds into files and pipes, on every system: JSON and CSV are contracts."""
    if isinstance(sys.stdout, TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")


def _unknown(word: str) -> int:
    near = get_close_matches(word, COMMANDS, n=1)
    return _fail(f"there is no command {word!r}", f"did you mean {near[0]}?" if near else "vasculum --help", USAGE)


def _explain(error: Exception, words: Sequence[str]) -> int:
    """Say in one line what went wrong. Texts of errors that are not ours may hold what must not be shown."""
    if isinstance(error, CycloptsError):
        return _fail(" ".join(str(error).split()), f"vasculum {' '.join(words[:1])} --help", USAGE)
    if isinstance(error, VasculumError):
        return _fail(error.message, error.hint, USAGE if isinstance(error, Invalid) else FAILED)
    if isinstance(error, OSError):
        name = Path(os.fsdecode(error.filename)).name if isinstance(error.filename, (str, bytes)) else ""
        return _fail(f"{error.strerror or type(error).__name__}{': ' + name if name else ''}", "", FAILED)
    return _fail(
        f"unexpected {type(error).__name__}", "a bug: run it again with --debug and report what it says", FAILED
    )


def _fail(message: str, hint: str, code: int) -> int:
    from vasculum.cli.escapes import for_terminal

    text = f"vasculum: {message}" + (f" ({hint})" if hint else "")
    print(for_terminal(text), file=sys.stderr)
    return code


def _worth_showing(value: object) -> str | None:
    """Show a default only where it says something."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None


def _version() -> str:
    from importlib.metadata import version

    return version("vasculum")
