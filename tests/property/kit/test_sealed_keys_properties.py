import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import FileKeyStore, KeyFileError
from ringfence_kit.sealing import Seal

SEAL = Seal.from_key(bytes(range(32)))
NAMES = st.sampled_from(["dev/issuer", "prod/issuer"])


@given(data=st.data())
@settings(max_examples=60)
def test_a_key_file_with_any_changed_byte_is_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "k")
        FileKeyStore(path, SEAL).add_signer("dev/issuer", at=Instant(1))
        blob = bytearray(path.read_bytes())
        position = data.draw(st.integers(0, len(blob) - 1))
        blob[position] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(blob))
        with pytest.raises(KeyFileError):
            FileKeyStore(path, SEAL)


class AnySequenceOfRotations(RuleBasedStateMachine):
    """Whatever is added, removed and reopened, the file holds exactly the keys that were added and not removed."""

    added = Bundle("added")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name, "k")
        self.store = FileKeyStore(self.path, SEAL)
        self.model: dict[str, list[tuple[str, Instant]]] = {"dev/issuer": [], "prod/issuer": []}

    def teardown(self) -> None:
        self.directory.cleanup()

    @rule(target=added, name=NAMES)
    def add(self, name: str) -> tuple[str, str]:
        key = self.store.add_signer(name, at=Instant(len(self.model[name])))
        self.model[name].append((key.key_id, key.created_at))
        return name, key.key_id

    @rule(name=NAMES)
    def ensure(self, name: str) -> None:
        keys = self.store.ensure_signers(name, at=Instant(99))
        self.model[name] = self.model[name] or [(keys[0].key_id, Instant(99))]

    @rule(key=consumes(added))
    def remove(self, key: tuple[str, str]) -> None:
        name, key_id = key
        self.store.remove(name, key_id)
        self.model[name] = [entry for entry in self.model[name] if entry[0] != key_id]

    @rule()
    def reopen(self) -> None:
        self.store = FileKeyStore(self.path, SEAL)

    @invariant()
    def holds_what_was_added_and_not_removed(self) -> None:
        for name, expected in self.model.items():
            assert [(key.key_id, key.created_at) for key in self.store.signers(name)] == expected


AnySequenceOfRotations.TestCase.settings = settings(max_examples=25, stateful_step_count=12)
TestAnySequenceOfRotations = AnySequenceOfRotations.TestCase
