"""A store does what a dictionary does, through any order of puts, reads, damage and reopening."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tests.store.test_local import rot
from vasculum.errors import Integrity, NotFound
from vasculum.store import Incoming, LocalStore, Refusal, Stored
from vasculum.testing.store_suite import blob_of, digest, stream_of


class StoreMachine(RuleBasedStateMachine):
    kept = Bundle("kept")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = LocalStore(self.folder / "store")
        self.model: dict[str, bytes] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(target=kept, content=st.binary(max_size=200), announced=st.booleans(), as_file=st.booleans())
    def put(self, content: bytes, announced: bool, as_file: bool) -> bytes:
        source = self.folder / "source"
        source.write_bytes(content)
        item = Incoming(source) if as_file else stream_of(content)
        (answer,) = self.store.put([Incoming(item.source, digest(content) if announced else "")])
        assert isinstance(answer, Stored)
        assert (answer.how == "present") == (digest(content) in self.model)
        self.model[answer.sha256] = content
        return content

    @rule(content=st.binary(max_size=50), other=st.binary(max_size=50))
    def put_under_another_digest(self, content: bytes, other: bytes) -> None:
        if content != other and digest(other) not in self.model:
            (answer,) = self.store.put([Incoming(stream_of(content).source, digest(other))])
            assert isinstance(answer, Refusal)

    @rule(content=kept)
    def read(self, content: bytes) -> None:
        if digest(content) in self.model:
            assert self.store.read(blob_of(content)) == content
        else:
            with pytest.raises(NotFound):
                self.store.read(blob_of(content))

    @rule(content=consumes(kept), wrong=st.binary(max_size=200))
    def damage(self, content: bytes, wrong: bytes) -> None:
        if digest(content) in self.model and wrong != content:
            rot(self.store.root, digest(content), wrong)
            with pytest.raises(Integrity):
                self.store.path(blob_of(content))
            del self.model[digest(content)]

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = LocalStore(self.folder / "store")

    @invariant()
    def has_what_was_kept(self) -> None:
        assert set(self.store.objects()) == set(self.model)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
