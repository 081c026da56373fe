import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from ringfence.credentials import Tls
from ringfence_launcher import running_mesh
from ringfence_launcher.endpoints import ConnectionFlags, Endpoints, refuse_plaintext_secrets
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem
from ringfence_launcher.running_mesh import RunningMesh


def endpoints(
    data: Path, *, subject: str = "registry", environment: Mapping[str, str] | None = None, **flags: object
) -> Endpoints:
    return Endpoints.of(ConnectionFlags(data=data, **flags), subject=subject, environment=environment or {})  # type: ignore[arg-type]  # each test gives the flag its own type


def mesh(data: Path, *, pid: int | None = None) -> RunningMesh:
    return RunningMesh(
        pid=os.getpid() if pid is None else pid,
        grpc={"registry": "127.0.0.1:1", "identity": "127.0.0.1:2", "pdp": "127.0.0.1:3", "telemetry": "127.0.0.1:4"},
        http={"registry": "127.0.0.1:5", "identity": "127.0.0.1:6", "pdp": "127.0.0.1:7", "telemetry": "127.0.0.1:8"},
        otlp="127.0.0.1:9",
        fast={"pdp": "127.0.0.1:10"},
        token_file=data / "dev" / "operator.token",
    )


def operator_token(data: Path, token: str = "operator-secret") -> None:
    (data / "dev").mkdir(parents=True)
    (data / "dev" / "operator.token").write_text(token + "\n")


class TestAddress:
    def test_a_flag_wins_over_everything(self, tmp_path: Path) -> None:
        mesh(tmp_path).write(tmp_path)
        found = endpoints(tmp_path, addresses=["h:99"], environment={"RINGFENCE_ADDR_REGISTRY": "e:98"})
        assert found.address("registry").value == "h:99"
        assert found.address("registry").source == "--addr"

    def test_an_unnamed_flag_is_for_the_commands_own_service_only(self, tmp_path: Path) -> None:
        found = endpoints(tmp_path, addresses=["h:99"], subject="identity")
        assert found.address("identity").value == "h:99"
        assert found.address("registry").source == "default"

    def test_flags_can_name_the_service(self, tmp_path: Path) -> None:
        found = endpoints(tmp_path, addresses=["pdp=h:1", "identity=[::1]:2"])
        assert found.address("pdp").value == "h:1"
        assert found.address("identity").value == "[::1]:2"
        assert found.address("registry").source == "default"

    def test_the_environment_wins_over_a_running_mesh(self, tmp_path: Path) -> None:
        mesh(tmp_path).write(tmp_path)
        found = endpoints(tmp_path, environment={"RINGFENCE_ADDR_PDP": "e:98"})
        assert found.address("pdp").value == "e:98"
        assert found.address("pdp").source == "RINGFENCE_ADDR_PDP"
        assert found.address("identity").value == "127.0.0.1:2"

    def test_a_mesh_whose_process_is_gone_is_no_mesh(self, tmp_path: Path) -> None:
        mesh(tmp_path, pid=2**22 + 1).write(tmp_path)
        assert endpoints(tmp_path).address("registry").source == "default"

    def test_the_default_ports_come_last(self, tmp_path: Path) -> None:
        assert endpoints(tmp_path).address("telemetry").value == "127.0.0.1:7404"

    def test_a_folder_that_is_named_and_not_there_asks_no_other_mesh(self, tmp_path: Path) -> None:
        found = endpoints(tmp_path / "nowhere", addresses=["h:99"])
        assert found.address("registry").value == "h:99"
        with pytest.raises(Problem, match="there is no such folder") as problem:
            found.address("pdp")
        assert problem.value.code == ExitCode.CONFIGURATION

    def test_the_data_directory_can_come_from_the_environment(self, tmp_path: Path) -> None:
        mesh(tmp_path).write(tmp_path)
        found = Endpoints.of(ConnectionFlags(), subject="registry", environment={"RINGFENCE_DATA": str(tmp_path)})
        assert found.address("registry").value == "127.0.0.1:1"

    @pytest.mark.parametrize("bad", ["", "host", ":1", "host:", "host:x", "host:0", "host:65536", "host:-1", "host:٣"])
    def test_what_is_no_address_is_a_usage_problem(self, tmp_path: Path, bad: str) -> None:
        with pytest.raises(Problem) as raised:
            endpoints(tmp_path, addresses=[bad]).address("registry")
        assert raised.value.code is ExitCode.USAGE
        assert "HOST:PORT" in raised.value.mend

    def test_an_unknown_service_is_a_usage_problem(self, tmp_path: Path) -> None:
        with pytest.raises(Problem) as raised:
            endpoints(tmp_path, addresses=["regstry=h:1"])
        assert raised.value.code is ExitCode.USAGE


class TestToken:
    def test_order_is_flag_file_flag_environment_file_environment_operator(self, tmp_path: Path) -> None:
        operator_token(tmp_path)
        file = tmp_path / "t"
        file.write_text("from-file\n")
        environment = {"RINGFENCE_TOKEN": "from-env", "RINGFENCE_TOKEN_FILE": str(file)}
        at = "127.0.0.1:1"
        seen = [
            endpoints(tmp_path, token="from-flag", token_file=file, environment=environment).token(at),
            endpoints(tmp_path, token_file=file, environment=environment).token(at),
            endpoints(tmp_path, environment=environment).token(at),
            endpoints(tmp_path, environment={"RINGFENCE_TOKEN_FILE": str(file)}).token(at),
            endpoints(tmp_path).token(at),
        ]
        assert [sourced.value for sourced in seen if sourced] == [
            "from-flag",
            "from-file",
            "from-env",
            "from-file",
            "operator-secret",
        ]

    def test_the_operator_token_never_leaves_the_machine(self, tmp_path: Path) -> None:
        operator_token(tmp_path)
        assert endpoints(tmp_path).token("mesh.example.com:7401") is None
        assert endpoints(tmp_path).token("127.evil.example:7401") is None
        for here in ("127.0.0.1:1", "localhost:1", "[::1]:1"):
            assert endpoints(tmp_path).token(here) is not None

    def test_the_operator_token_is_for_plaintext_dev_mode_only(self, tmp_path: Path) -> None:
        operator_token(tmp_path)
        assert endpoints(tmp_path, tls_ca=tmp_path / "ca.pem").token("127.0.0.1:1") is None

    def test_without_any_there_is_none(self, tmp_path: Path) -> None:
        assert endpoints(tmp_path).token("127.0.0.1:1") is None

    @pytest.mark.parametrize("content", [b"", b"two tokens", b"two\nlines", b"\xff\xfe"])
    def test_a_file_that_holds_no_token_says_so(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "t"
        file.write_bytes(content)
        with pytest.raises(Problem) as raised:
            endpoints(tmp_path, token_file=file).token("127.0.0.1:1")
        assert raised.value.code is ExitCode.CONFIGURATION

    def test_a_missing_file_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(Problem, match="cannot be read"):
            endpoints(tmp_path, token_file=tmp_path / "absent").token("127.0.0.1:1")

    def test_a_token_is_not_in_a_repr(self, tmp_path: Path) -> None:
        assert "sesame" not in repr(endpoints(tmp_path, token="sesame").token("127.0.0.1:1"))

    def test_plaintext_to_another_machine_is_refused(self, tmp_path: Path) -> None:
        found = endpoints(tmp_path, token="sesame", addresses=["mesh.example.com:7401"])
        token = found.token("mesh.example.com:7401")
        with pytest.raises(Problem) as raised:
            refuse_plaintext_secrets("mesh.example.com:7401", token=token, tls=found.tls())
        assert raised.value.code is ExitCode.USAGE
        assert "sesame" not in str(raised.value)
        refuse_plaintext_secrets("127.0.0.1:7401", token=token, tls=None)
        refuse_plaintext_secrets("mesh.example.com:7401", token=None, tls=None)
        refuse_plaintext_secrets("mesh.example.com:7401", token=token, tls=Tls(ca_file=tmp_path / "ca.pem"))


class TestTls:
    def test_a_certificate_without_its_key_is_a_usage_problem(self, tmp_path: Path) -> None:
        with pytest.raises(Problem) as raised:
            endpoints(tmp_path, tls_cert=tmp_path / "c.pem").tls()
        assert raised.value.code is ExitCode.USAGE

    def test_flags_win_over_the_environment(self, tmp_path: Path) -> None:
        environment = {"RINGFENCE_TLS_CA": "/env/ca", "RINGFENCE_TLS_CERT": "/env/c", "RINGFENCE_TLS_KEY": "/env/k"}
        files = endpoints(tmp_path, tls_ca=Path("/flag/ca"), environment=environment).tls()
        assert files == Tls(ca_file=Path("/flag/ca"), cert_file=Path("/env/c"), key_file=Path("/env/k"))

    def test_nothing_said_is_plaintext(self, tmp_path: Path) -> None:
        assert endpoints(tmp_path).tls() is None


class TestRunningMesh:
    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        written = mesh(tmp_path)
        written.write(tmp_path)
        assert RunningMesh.read(tmp_path) == written
        assert [entry.name for entry in tmp_path.iterdir()] == ["endpoints.json"]

    def test_one_without_fast_ports_is_one_too(self, tmp_path: Path) -> None:
        written = mesh(tmp_path)
        written.write(tmp_path)
        document = json.loads((tmp_path / "endpoints.json").read_text())
        del document["fast"]
        (tmp_path / "endpoints.json").write_text(json.dumps(document))
        assert RunningMesh.read(tmp_path) == replace(written, fast={})

    def test_it_is_gone_after_remove_and_removing_twice_is_fine(self, tmp_path: Path) -> None:
        mesh(tmp_path).write(tmp_path)
        running_mesh.remove(tmp_path)
        running_mesh.remove(tmp_path)
        assert RunningMesh.read(tmp_path) is None

    @pytest.mark.parametrize(
        "content",
        ["", "[]", "null", "{}", '{"format": 2}', json.dumps({"format": 1, "pid": "x"}), '{"format": 1, "pid": 1}'],
    )
    def test_a_spoilt_file_names_itself_and_the_way_out(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "endpoints.json").write_text(content)
        with pytest.raises(Problem) as raised:
            RunningMesh.read(tmp_path)
        assert raised.value.code is ExitCode.CONFIGURATION
        assert "endpoints.json" in raised.value.what
        assert "remove" in raised.value.mend

    @pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
    def test_no_such_process(self, pid: int) -> None:
        assert not running_mesh.is_alive(pid)

    def test_this_process_is_alive(self) -> None:
        assert running_mesh.is_alive(os.getpid())
