"""How a failure becomes one line and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import Command
from vasculum import errors
from vasculum.cli.main import COMMANDS


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (errors.Invalid("a wrong argument", hint="do this"), 2, "vasculum: a wrong argument (do this)"),
        (
            errors.QuerySyntax("what is this", column=3, suggestion="kind"),
            2,
            "column 3: what is this (did you mean kind?)",
        ),
        (errors.NotFound("not here"), 3, "vasculum: not here"),
        (errors.Unavailable("away"), 3, "vasculum: away"),
        (PermissionError(13, "Permission denied", "/secret/Doe^Jane/scan.dcm"), 3, "Permission denied: scan.dcm"),
        (OSError(28, "No space left on device"), 3, "vasculum: No space left on device"),
        (RuntimeError("Doe^Jane"), 3, "vasculum: unexpected RuntimeError"),
        (KeyboardInterrupt(), 130, "vasculum: stopped"),
    ],
)
def test_a_failure_is_one_line_without_names(
    error: BaseException, code: int, text: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("vasculum.cli.version.version_of", fail)
    called = command("version")
    assert called.code == code
    assert text in called.err
    assert called.err.count("\n") == 1
    assert called.out == ""
    assert "Doe" not in called.err
    assert "Traceback" not in called.err


def test_debug_shows_where_an_error_comes_from(command: Command, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        command("find", "--repo", tmp_path / "none", "--debug")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["impot"], "did you mean import?"),
        (["xyzzy"], "vasculum --help"),
        (["find", "--levle", "series"], "vasculum find --help"),
        (["find", "--level", "slice"], "vasculum find --help"),
        (["find", "--limit", "-1"], "count from 0"),
        (["pack"], "vasculum pack --help"),
        (["import"], "name the files"),
        (["import", "x", "--voxel-size", "5"], "not a voxel size"),
        (["import", "x", "--in-place", "--how", "hardlink"], "choose one"),
        (["set", "x", "novalue"], "FIELD=VALUE"),
        (["check"], "--all"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(words: list[str], text: str, command: Command) -> None:
    called = command(*words)
    assert called.code == 2
    assert text in called.err
    assert called.err.count("\n") == 1


def test_no_repository_says_how_to_make_one(command: Command, tmp_path: Path) -> None:
    called = command("find", "--repo", tmp_path / "none")
    assert (called.code, called.out) == (3, "")
    assert "vasculum init" in called.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str, command: Command) -> None:
    called = command(name, "--help")
    assert called.code == 0
    assert "Examples:" in called.out
    assert f"vasculum {name}" in called.out
    assert "--json" in called.out


def test_the_help_names_every_command_and_fits_80_columns(command: Command) -> None:
    called = command("--help")
    assert called.code == 0
    assert all(f" {name} " in called.out for name in COMMANDS)
    assert max(map(len, called.out.splitlines())) <= 80


def test_the_module_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "vasculum", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("vasculum ")


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise on Windows")
def test_a_reader_that_goes_away_is_no_error(filled: Path) -> None:
    code = "import sys; from vasculum.cli.main import run; sys.exit(run(sys.argv[1:]))"
    arguments = [sys.executable, "-c", code, "show", "--repo", str(filled), "mouse-skull-01", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
