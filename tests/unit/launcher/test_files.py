"""Files that are read, written whole, made private, or held against a second owner."""

import io
import os
import stat
import sys
from pathlib import Path

import pytest
from ringfence.agent_key import AgentKey
from ringfence.identity.v1.identity_pb2 import BirthCertificateContent
from ringfence_launcher.data_directory import make_private, put_examples, sole_mesh
from ringfence_launcher.examples import NAMES, example
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.files import replacing
from ringfence_launcher.input_files import MAX_BYTES, read_bytes, read_message
from ringfence_launcher.key_files import load_key, load_or_make_key, remember_owner
from ringfence_launcher.problems import Problem


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


class TestReplacing:
    def test_a_file_appears_whole(self, tmp_path: Path) -> None:
        with replacing(tmp_path / "f") as out:
            out.write("half")
            assert not (tmp_path / "f").exists()
            out.write(" and half\n")
        assert (tmp_path / "f").read_text() == "half and half\n"
        assert mode_of(tmp_path / "f") == 0o644

    def test_what_fails_leaves_the_old_file_and_no_other(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("old")

        def write_half() -> None:
            with replacing(tmp_path / "f") as out:
                out.write("new")
                raise ConnectionError

        with pytest.raises(ConnectionError):
            write_half()
        assert (tmp_path / "f").read_text() == "old"
        assert [entry.name for entry in tmp_path.iterdir()] == ["f"]

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="absent"), replacing(tmp_path / "absent" / "f"):
            pass


class TestReading:
    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\x00 bytes")))
        assert read_bytes(Path("-")) == b"\xff\x00 bytes"

    @pytest.mark.parametrize("name", ["absent", "."])
    def test_what_is_no_file_is_a_problem_that_names_it(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(Problem) as raised:
            read_bytes(tmp_path / name)
        assert raised.value.code is ExitCode.CONFIGURATION
        assert str(tmp_path) in raised.value.what

    def test_a_mistyped_path_does_not_fill_the_memory(self) -> None:
        with pytest.raises(Problem, match="larger than"):
            read_bytes(Path("/dev/zero"))

    def test_the_largest_that_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(bytes(MAX_BYTES))
        assert len(read_bytes(tmp_path / "f")) == MAX_BYTES

    @pytest.mark.parametrize(
        "content",
        ["purpose: p\nring_ceiling: 2\n", '{"purpose": "p", "ringCeiling": 2}', "{purpose: p, ringCeiling: 2}"],
    )
    def test_yaml_and_json_in_both_spellings(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "f").write_text(content)
        read = read_message(tmp_path / "f", BirthCertificateContent())
        assert (read.purpose, read.ring_ceiling) == ("p", 2)

    @pytest.mark.parametrize(
        "content",
        [
            b"\xff",
            b"[" * 10_000,
            b"purpose: [1]",
            b"ring_ceiling: 99999999999",
            b"!!python/object:os.system {}",
            b"a: &a [*a]",
        ],
    )
    def test_what_is_no_message_is_a_problem(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "f").write_bytes(content)
        with pytest.raises(Problem) as raised:
            read_message(tmp_path / "f", BirthCertificateContent())
        assert raised.value.code is ExitCode.CONFIGURATION
        assert "\n" not in raised.value.what


class TestKeyFiles:
    def test_a_key_is_made_once_and_found_again(self, tmp_path: Path) -> None:
        made = load_or_make_key(tmp_path / "k")
        assert mode_of(tmp_path / "k") == 0o600
        assert load_or_make_key(tmp_path / "k").public_key == made.public_key

    def test_it_learns_whose_it_is_and_stays_private(self, tmp_path: Path) -> None:
        made = load_or_make_key(tmp_path / "k")
        owned = AgentKey(private_key=made.private_key, agent="n", environment="dev", did="did:x")
        remember_owner(tmp_path / "k", owned)
        read = load_key(tmp_path / "k")
        assert (read.agent, read.environment, read.did) == ("n", "dev", "did:x")
        assert read.public_key == made.public_key
        assert mode_of(tmp_path / "k") == 0o600
        assert [entry.name for entry in tmp_path.iterdir()] == ["k"]

    def test_a_try_that_was_killed_is_not_in_the_way(self, tmp_path: Path) -> None:
        made = load_or_make_key(tmp_path / "k")
        (tmp_path / ".k.owned").write_text("half of one")
        remember_owner(tmp_path / "k", made)
        assert load_key(tmp_path / "k").public_key == made.public_key

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
    def test_a_file_others_may_read_is_refused_with_the_command_that_mends_it(self, tmp_path: Path, mode: int) -> None:
        load_or_make_key(tmp_path / "k")
        (tmp_path / "k").chmod(mode)
        with pytest.raises(Problem, match="chmod 600") as raised:
            load_key(tmp_path / "k")
        assert raised.value.code is ExitCode.CONFIGURATION

    def test_what_is_no_key_is_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / "k").write_text("{}")
        (tmp_path / "k").chmod(0o600)
        with pytest.raises(Problem):
            load_or_make_key(tmp_path / "k")


class TestDataDirectory:
    def test_it_is_made_for_its_owner_alone(self, tmp_path: Path) -> None:
        make_private(tmp_path / "a" / "data")
        assert mode_of(tmp_path / "a" / "data") == 0o700

    def test_one_that_is_there_is_left_as_it_is(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        make_private(tmp_path)
        assert mode_of(tmp_path) == 0o755

    def test_examples_are_put_there_and_never_over_somebodys_work(self, tmp_path: Path) -> None:
        put_examples(tmp_path)
        for name in NAMES:
            assert (tmp_path / "examples" / name).read_bytes() == example(name)
        (tmp_path / "examples" / NAMES[0]).write_text("mine")
        put_examples(tmp_path)
        assert (tmp_path / "examples" / NAMES[0]).read_text() == "mine"

    def test_a_file_in_its_place_is_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        with pytest.raises(Problem) as raised:
            make_private(tmp_path / "data")
        assert raised.value.code is ExitCode.CONFIGURATION
        assert "--data FOLDER" in raised.value.mend

    def test_it_has_one_mesh_at_a_time(self, tmp_path: Path) -> None:
        with sole_mesh(tmp_path):
            with pytest.raises(Problem) as raised, sole_mesh(tmp_path):
                pass
            assert raised.value.code is ExitCode.IN_USE
            assert f"process {os.getpid()}" in raised.value.what
            assert "--data" in raised.value.mend
        with sole_mesh(tmp_path):
            pass

    def test_a_mesh_that_fails_lets_go(self, tmp_path: Path) -> None:
        with pytest.raises(ConnectionError), sole_mesh(tmp_path):
            raise ConnectionError
        with sole_mesh(tmp_path):
            pass
