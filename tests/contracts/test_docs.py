"""The documentation is under test: it mentions everything, is fresh, and its examples work."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import vasculum
from vasculum.cli.main import COMMANDS, make_app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md"])


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_command_reference_is_fresh() -> None:
    text = _tool("make_command_reference").command_reference()
    assert _page("reference/commands.md") == text, "run: python tools/make_command_reference.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_json_documented(name: str) -> None:
    assert re.search(rf"`{name}\b", _page("reference/json.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist_with_their_options(page: Path) -> None:
    """Parse every ``vasculum ...`` line of a code block, without running it."""
    for line in _command_lines(page):
        words = shlex.split(line, comments=True)[1:]
        assert words[0] in COMMANDS, line
        make_app(words[0]).parse_args(words, exit_on_error=False, print_error=False)


def test_the_query_language_page_has_every_built_in_field() -> None:
    from vasculum.catalog.fields import BUILT_IN

    text = _page("reference/query-language.md")
    assert [name for name in BUILT_IN if f"| `{name}` |" not in text] == []


def test_queries_in_the_text_can_be_read() -> None:
    from vasculum.catalog.search.language import parse

    for page in PAGES:
        for line in _command_lines(page):
            words = shlex.split(line, comments=True)
            if words[1] in {"find", "export"} and len(words) > 2 and not words[2].startswith("-"):
                parse(words[2])
    for term in re.findall(
        r"^\| `([^|`]+)`(?:, `[^|`]+`)* \| [a-z]", _page("reference/query-language.md"), re.MULTILINE
    ):
        parse(term.replace("( … )", "(a)").replace("field", "kind")) if "<=" not in term else None


def test_the_python_page_has_every_public_name_and_method() -> None:
    text = _page("reference/python.md")
    assert [name for name in vasculum.__all__ if name not in text] == []
    methods = [n for n, _ in inspect.getmembers(vasculum.Repository, inspect.isfunction) if not n.startswith("_")]
    assert [name for name in methods if f"`{name}(" not in text] == []


def test_the_settings_page_has_every_setting() -> None:
    from dataclasses import fields

    from vasculum.config import ENVIRONMENT, Settings

    text = _page("reference/settings.md")
    assert [f.name for f in fields(Settings) if f"`{f.name}`" not in text] == []
    assert [name for name in ENVIRONMENT.values() if name not in text] == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [p.name for p in DOCS.rglob("*.md") if p.relative_to(DOCS).as_posix() not in navigation] == []


def test_the_plugin_of_the_how_to_works(tmp_path: Path) -> None:
    block = re.findall(r"```python\n(.*?)```", _page("how-to/add-a-format.md"), re.DOTALL)[0]
    sample = tmp_path / "monday.notes"
    sample.write_bytes(b"LABNOTES\nfed the beetles\n")
    code = block + (
        "\nfrom vasculum.testing.format_suite import check_port, check_recognition, check_sample\n"
        f"check_port(Notes()); check_recognition(Notes()); check_sample(Notes(), Path({str(sample)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_first_python_example_runs(
    filled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    block = re.findall(r"```python\n(.*?)```", _page("reference/python.md"), re.DOTALL)[0]
    monkeypatch.chdir(filled.parent)
    exec(compile(block.replace("vasculum-repo", filled.name), "python.md", "exec"), {})
    assert "BKS.Cg-Dock7m +/+ Leprdb/J" in capsys.readouterr().out


def _command_lines(page: Path) -> list[str]:
    blocks = re.findall(r"```[a-z]*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    if page.name == "commands.md":  # the help itself: usage lines are no commands
        return [line.strip() for block in blocks for line in block.splitlines() if line.startswith("  vasculum ")]
    lines = [line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("vasculum ")]
