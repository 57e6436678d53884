"""``vasculum show``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

if TYPE_CHECKING:
    from rich.tree import Tree

EXAMPLES = """\
Examples:
  vasculum show 0192f0c1-7b6e-7c1d-9a3e-5f0d2b8c4e11
  vasculum show 'UWBM:Mamm:0082411'
      a label will do where only one thing is called so
  vasculum show --json ID
      all of it; of a volume with 'geometry' (affine_lps, shape, spacing)"""

LONG = 12
"""Lists longer than this are folded for people."""


def show(
    id_: Annotated[str, Parameter(name="ID", help="Id or label of a subject, study or series.")],
    /,
    *,
    everything: Annotated[bool, Parameter(name="--all", help="Do not fold long lists.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Show all that is known of one subject, study or series: metadata, geometry, files, provenance."""
    from vasculum.cli.exits import DONE
    from vasculum.cli.printing import draw, print_json

    with closing(options.open()) as repository:
        record = repository.show(id_)
    if options.json:
        print_json(record)
    else:
        draw(_tree(str(record.get("label") or record.get("id", id_)), record, everything=everything))
    return DONE


def _tree(title: str, record: Mapping[str, Any], *, everything: bool) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    from vasculum.cli.escapes import for_terminal

    tree = Tree(Text(for_terminal(title), style="bold"), guide_style="dim")
    _grow(tree, record, everything=everything)
    return tree


def _grow(tree: Tree, record: Mapping[str, Any], *, everything: bool) -> None:
    from vasculum.cli.printing import json_ready

    for name, value in json_ready(record).items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            _grow(tree.add(_line(name, "")), value, everything=everything)
        elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
            _grow_list(tree.add(_line(name, "")), value, everything=everything)
        else:
            tree.add(_line(name, _joined(value, everything=everything)))


def _grow_list(tree: Tree, values: Sequence[Any], *, everything: bool) -> None:
    shown = values if everything else values[:LONG]
    for item in shown:
        if isinstance(item, dict):
            title = str(item.get("name") or item.get("label") or item.get("code") or item.get("id") or "")
            rest = {k: v for k, v in item.items() if v != title}
            flat = all(not isinstance(v, (dict, list)) for v in rest.values())
            if flat:
                tree.add(_line(title, ", ".join(f"{k}: {v}" for k, v in rest.items() if v not in (None, ""))))
            else:
                _grow(tree.add(_line(title, "")), rest, everything=everything)
        else:
            tree.add(_line("", _joined(item, everything=everything)))
    if len(shown) < len(values):
        tree.add(f"… and {len(values) - len(shown):,} more (--all shows them)")


def _joined(value: Any, *, everything: bool) -> str:
    if not isinstance(value, list):
        return str(value)
    shown = value if everything else value[:LONG]
    more = f" … ({len(value):,} in all)" if len(shown) < len(value) else ""
    return ", ".join(str(item) for item in shown) + more


def _line(name: str, value: str) -> Any:
    from rich.text import Text

    from vasculum.cli.escapes import for_terminal

    line = Text(for_terminal(name), style="cyan")
    if value:
        line.append((": " if name else "") + for_terminal(value), style="default")
    return line
