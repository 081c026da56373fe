"""`ringfence up` as a newcomer meets it: real processes, real signals, real files."""

import json
import re
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.processes import Process, free_addresses, run, running, shell

READY = "ringfence is ready in"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


@pytest.fixture(scope="module")
def mesh(folder: Path) -> Iterator[Process]:
    """An `up` that every test of this module may use and none may stop."""
    with running("up", "--free-ports", folder=folder) as process:
        process.wait_for("agent list")
        yield process


def register(folder: Path, name: str) -> None:
    ended = run(
        *("agent", "register", name, "--card", ".ringfence/examples/analyst.card.json", "--purpose", "p"),
        *("--owner", "A <a@example.com>", "--risk", "low", "--environment", "dev"),
        folder=folder,
    )
    assert ended.returncode == 0, ended.stderr


class TestWhileItRuns:
    def test_it_says_how_long_it_took_and_where_everything_is(self, mesh: Process, folder: Path) -> None:
        ready = next(line for line in mesh.lines if READY in line)
        assert re.search(rf"in \d+\.\d s, process {mesh.pid}$", ready)
        endpoints = json.loads((folder / ".ringfence" / "endpoints.json").read_text())
        said = "\n".join(mesh.lines)
        ports = (endpoints["grpc"], endpoints["http"], endpoints["fast"])
        assert all(set(each) == {"registry", "identity", "pdp", "telemetry"} for each in ports)
        for address in (*(address for each in ports for address in each.values()), endpoints["otlp"]):
            assert address in said
        assert str(folder / ".ringfence" / "dev" / "operator.token") in said

    def test_what_it_keeps_is_for_its_owner_alone(self, mesh: Process, folder: Path) -> None:
        assert stat.S_IMODE((folder / ".ringfence").stat().st_mode) == 0o700
        for token in (folder / ".ringfence" / "dev").iterdir():
            assert stat.S_IMODE(token.stat().st_mode) == 0o600
        secret = (folder / ".ringfence" / "dev" / "operator.token").read_text().strip()
        assert secret not in "\n".join([*mesh.lines, *mesh.errors])
        assert secret not in (folder / ".ringfence" / "endpoints.json").read_text()

    def test_the_three_commands_it_offers_work_as_they_stand(self, mesh: Process, folder: Path) -> None:
        offered = [line.strip() for line in mesh.lines if re.match(r"^  \S.*ringfence\S* (doctor|agent)", line)]
        assert len(offered) == 3
        for command in offered:
            ended = shell(command, folder=folder)
            assert ended.returncode == 0, f"{command}: {ended.stdout} {ended.stderr}"
        assert "demo/analyst" in ended.stdout

    def test_the_commands_find_it_from_elsewhere_by_its_data(self, mesh: Process, folder: Path, tmp_path: Path) -> None:
        data = str(folder / ".ringfence")
        assert run("agent", "list", "--data", data, folder=tmp_path).returncode == 0
        assert run("agent", "list", folder=tmp_path, RINGFENCE_DATA=data).returncode == 0

    def test_doctor_finds_nothing_wrong(self, mesh: Process, folder: Path) -> None:
        ended = run("doctor", "-o", "json", folder=folder)
        checks = json.loads(ended.stdout)["checks"]
        assert ended.returncode == 0, checks
        looked_at = {check["what"] for check in checks}
        assert {"python", "packages", "data directory", "mesh", "pdp", "pdp: credential", "pdp: clock"} <= looked_at
        assert {"pdp: feed from identity", "pdp: feed from registry"} <= looked_at
        assert {"registry: feed from identity", "registry: feed from telemetry"} <= looked_at

    def test_what_is_registered_on_ones_own_machine_is_public_there(self, mesh: Process, folder: Path) -> None:
        ended = run("catalog", "namespace", "get", "demo", "-o", "json", folder=folder)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["visibility"] == "VISIBILITY_PUBLIC"
        assert json.loads(ended.stdout)["admission"]["leastVerdict"] == "CARD_VERDICT_NONCONFORMANT"

    def test_a_card_that_breaks_rules_is_admitted_and_what_is_wrong_is_said(self, mesh: Process, folder: Path) -> None:
        (folder / "broken.json").write_text('{"name": "Broken", "version": "1", "description": 7}')
        ended = run("agent", "register", "demo/broken", "--card", "broken.json", folder=folder)
        assert ended.returncode == 0, ended.stderr
        assert re.search(r"verdict +nonconformant", ended.stdout)
        assert "/description" in ended.stdout
        assert "admitted all the same" in ended.stdout

    def test_doctor_finds_a_credential_that_is_no_good(self, mesh: Process, folder: Path) -> None:
        ended = run("doctor", "--token", "nonsense", folder=folder)
        assert ended.returncode == ExitCode.NEGATIVE
        assert "UNAUTHENTICATED" not in ended.stdout
        assert re.search(r"WRONG +registry: credential", ended.stdout)
        assert "--token-file" in ended.stdout

    def test_a_second_one_on_the_same_data_is_refused_in_words(self, mesh: Process, folder: Path) -> None:
        ended = run("up", "--free-ports", folder=folder)
        assert ended.returncode == ExitCode.IN_USE
        assert f"process {mesh.pid}" in ended.stderr
        assert "--data" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert json.loads((folder / ".ringfence" / "endpoints.json").read_text())["pid"] == mesh.pid

    def test_a_port_that_is_taken_is_named_with_how_to_change_it(
        self, mesh: Process, folder: Path, tmp_path: Path
    ) -> None:
        endpoints = json.loads((folder / ".ringfence" / "endpoints.json").read_text())
        taken = endpoints["grpc"]["registry"].rpartition(":")[2]
        ended = run("up", "--free-ports", "--registry-port", taken, folder=tmp_path)
        assert ended.returncode == ExitCode.IN_USE
        assert f"127.0.0.1:{taken}" in ended.stderr
        assert "registry.listen" in ended.stderr

    def test_a_collector_on_the_otlp_port_is_spoken_of(self, tmp_path: Path) -> None:
        with socket.socket() as collector:
            collector.bind(("127.0.0.1", 0))
            collector.listen()
            taken = str(collector.getsockname()[1])
            ended = run("up", "--free-ports", "--otlp-port", taken, folder=tmp_path)
        assert ended.returncode == ExitCode.IN_USE
        assert "4317" in ended.stderr
        assert "--otlp-port" in ended.stderr
        assert not (tmp_path / ".ringfence" / "endpoints.json").exists()


def test_three_lives_of_one_data_directory(tmp_path: Path) -> None:
    """Ended by SIGTERM, killed, ended by Ctrl-C: each start goes on where the last ended, however it ended."""
    data = tmp_path / ".ringfence"
    with running("up", "--free-ports", folder=tmp_path) as first:
        first.wait_for(READY)
        token = (data / "dev" / "operator.token").read_text()
        register(tmp_path, "demo/keeper")
        assert first.stop() == 0
        assert not (data / "endpoints.json").exists()
        assert "Traceback" not in "\n".join(first.errors)

    with running("up", "--free-ports", folder=tmp_path) as second:
        second.wait_for(READY)
        assert (data / "dev" / "operator.token").read_text() == token
        assert "demo/keeper" in run("agent", "list", folder=tmp_path).stdout
        register(tmp_path, "demo/survivor")
        second.signal(signal.SIGKILL)
        second.ended()
    doctor = run("doctor", "--service", "registry", "--addr", free_addresses(1)[0], folder=tmp_path)
    assert doctor.returncode == ExitCode.NEGATIVE
    assert "ended without saying so" in doctor.stdout
    assert "nobody listens on" in doctor.stdout

    with running("up", "--free-ports", folder=tmp_path) as third:
        third.wait_for(READY)
        listed = run("agent", "list", folder=tmp_path).stdout
        assert "demo/keeper" in listed
        assert "demo/survivor" in listed
        third.signal(signal.SIGINT)
        assert third.ended() == 0
        assert not (data / "endpoints.json").exists()


def test_without_the_extra_there_are_no_fast_ports_and_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text('import sys\nsys.modules["ngh2"] = None  # as if not installed\n')
    with running("up", "--free-ports", folder=tmp_path, PYTHONPATH=str(tmp_path)) as process:
        process.wait_for(READY)
        assert json.loads((tmp_path / ".ringfence" / "endpoints.json").read_text())["fast"] == {}
        assert process.stop() == 0
    assert len([line for line in process.errors if "ngh2" in line]) == 1


class TestRefusals:
    def test_other_machines_are_not_served_in_development_mode(self, tmp_path: Path) -> None:
        ended = run("up", "--free-ports", "--host", "0.0.0.0", folder=tmp_path)
        assert ended.returncode == ExitCode.CONFIGURATION
        assert "loopback" in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_everything_wrong_with_the_configuration_is_said_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "ringfence.toml").write_text('[registry]\nlistn = "x"\n[server.log]\nlevel = "loud"\n')
        ended = run("up", "--config", "ringfence.toml", folder=tmp_path)
        assert ended.returncode == ExitCode.CONFIGURATION
        assert "registry.listn" in ended.stderr
        assert "server.log.level" in ended.stderr
        assert not (tmp_path / ".ringfence").exists()

    def test_a_data_directory_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("a file")
        ended = run("up", "--data", "data", folder=tmp_path)
        assert ended.returncode == ExitCode.CONFIGURATION
        assert "data directory" in ended.stderr

    def test_a_token_file_others_can_read_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / ".ringfence" / "dev").mkdir(parents=True)
        token = tmp_path / ".ringfence" / "dev" / "operator.token"
        token.write_text("rfdev_" + "x" * 43 + "\n")
        token.chmod(0o644)
        ended = run("up", "--free-ports", folder=tmp_path)
        assert ended.returncode == ExitCode.CONFIGURATION
        assert "chmod 600" in ended.stderr


def test_its_answer_for_programs_is_json(tmp_path: Path) -> None:
    with running("up", "--free-ports", "-o", "json", folder=tmp_path) as process:
        process.wait_for("}")
        while process.lines[-1] != "}":
            process.wait_for("}")
        said = json.loads("\n".join(process.lines))
        assert said["pid"] == process.pid
        assert set(said["grpc"]) == {"registry", "identity", "pdp", "telemetry"}
        assert said["readySeconds"] > 0
