"""Text for terminals and for JSON."""

from __future__ import annotations

import base64
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.cli.escapes import exact_bytes, for_json, for_terminal

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def test_bytes_that_are_not_utf8_are_shown_in_hex() -> None:
    name = b"Schn\xe4del.nrrd".decode("utf-8", "surrogateescape")
    assert for_json(name) == for_terminal(name) == r"Schn\xe4del.nrrd"


@pytest.mark.parametrize("text", ["Ñandú", "日本", "BKS.Cg-Dock7m +/+ Leprdb/J", "100%_a&b;c d"])
def test_what_can_be_written_stays_as_it_is(text: str) -> None:
    assert for_json(text) == for_terminal(text) == text


def test_a_crafted_name_cannot_steer_the_terminal() -> None:
    assert for_terminal("a\x1b[2Jb\rc\u202egpj.exe") == r"a\x1b[2Jb\x0dc\u202egpj.exe"


@given(ANY_TEXT)
def test_everything_can_be_written_as_utf8(text: str) -> None:
    json.loads(json.dumps(for_json(text), ensure_ascii=False).encode("utf-8"))
    shown = for_terminal(text)
    shown.encode("utf-8")
    assert "\x1b" not in shown


@pytest.mark.skipif(os.name == "nt", reason="file names are bytes on POSIX only")
@given(st.binary(min_size=1).filter(lambda b: b"\0" not in b))
def test_the_exact_bytes_of_a_path_are_there_where_the_text_is_not_exact(name: bytes) -> None:
    path = os.fsdecode(name)
    exact = exact_bytes(path)
    assert (base64.b64decode(exact) if exact else path.encode("utf-8")) == name
