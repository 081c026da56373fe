"""`ringfence serve` four times: one mesh of four processes, in development mode and with mutual TLS."""

import base64
import contextlib
import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ringfence_launcher.examples import example
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.running_mesh import SERVICES
from support.launcher.processes import Process, free_addresses, run, running

MAKE_CERTIFICATES = Path(__file__).parents[3] / "deploy" / "four-processes" / "make-certificates.sh"
PEERS = {
    "registry": ("identity", "telemetry"),
    "pdp": ("identity", "registry", "telemetry"),
    "telemetry": ("identity",),
}


class FourProcesses:
    """A configuration file for four services, and their processes."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        self.folder = folder
        grpc, http, otlp = free_addresses(4), free_addresses(4), free_addresses(1)[0]
        self.grpc = dict(zip(SERVICES, grpc, strict=True))
        lines = ["[server]", f'data = "{folder / "data"}"', 'log.level = "warning"']
        lines += [] if not tls else self._tls()
        for name, http_address in zip(SERVICES, http, strict=True):
            lines += [f"[{name}]", f'listen = "{self.grpc[name]}"', f'http_listen = "{http_address}"']
            if tls:
                lines += [f'tls.cert_file = "{folder}/tls/{name}.pem"', f'tls.key_file = "{folder}/tls/{name}.key"']
                lines += [f'tls.client_ca_file = "{folder}/tls/ca.pem"']
            if tls and name == "pdp":
                lines.append("workers = 2")
            if name == "telemetry":
                lines.append(f'otlp_listen = "{otlp}"')
            if tls and name in ("identity", "telemetry"):
                lines.append(f'seal = "{base64.b64encode(secrets.token_bytes(32)).decode()}"')
            for peer in PEERS.get(name, ()):
                lines.append(f'{peer}.address = "{self.grpc[peer]}"')
        self.config = folder / "ringfence.toml"
        self.config.write_text("\n".join(lines) + "\n")
        self._flags = () if tls else ("--dev",)

    def _tls(self) -> list[str]:
        subprocess.run([str(MAKE_CERTIFICATES), str(self.folder / "tls")], check=True, capture_output=True)
        lines = []
        for party, role in (("operator", "platform-admin"), *((name, "service") for name in SERVICES)):
            lines += ["[[server.auth.certificates]]", f'identity = "spiffe://ringfence.example/{party}"']
            lines += [f'roles = ["{role}"]']
        return lines

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, Process]]:
        with contextlib.ExitStack() as stack:
            processes = {
                name: stack.enter_context(
                    running("serve", name, "--config", str(self.config), *self._flags, folder=self.folder)
                )
                for name in SERVICES
            }
            for name, process in processes.items():
                process.wait_for(f"{name} is ready on")
            yield processes


def enrol_and_ask(mesh: FourProcesses, *flags: str) -> None:
    """Register, enrol, push and ask: every service has to reach the others for this to come out."""
    folder = mesh.folder
    addresses = [argument for name, at in mesh.grpc.items() for argument in ("--addr", f"{name}={at}")]

    def does(*arguments: str) -> str:
        ended = run(*arguments, *addresses, *flags, folder=folder)
        assert ended.returncode == 0, f"{arguments}: {ended.stdout} {ended.stderr}"
        return ended.stdout

    (folder / "birth.yaml").write_text(does_without_services("did", "certificate", folder=folder))
    (folder / "card.json").write_bytes(example("analyst.card.json"))
    (folder / "query.yaml").write_bytes(example("warehouse.query.tool.yaml"))
    does("tool", "register", "--file", "query.yaml")
    does(
        *("agent", "register", "demo/analyst", "--card", "card.json", "--purpose", "p", "--risk", "low"),
        *("--owner", "A <a@example.com>", "--environment", "dev", "--tool", "warehouse.query"),
    )
    for sponsor in ("first", "second"):
        does("sponsor", "register", sponsor, "--name", sponsor, "--contact", f"{sponsor}@example.com")
    does("did", "enrol", "demo/analyst", "--certificate", "birth.yaml", "--key", "analyst.key")
    (folder / "policy.yaml").write_bytes(example("policies/first-policy.yaml"))
    does("policy", "push", "policy.yaml")
    for _ in range(50):
        asked = ("policy", "check", "demo/analyst", "read_table", "--tool", "warehouse.query", "--arg", "rows=1")
        ended = run(*asked, "-o", "json", *addresses, *flags, folder=folder)
        answer = json.loads(ended.stdout)
        if answer["reason"] not in ("DECISION_REASON_AGENT_UNKNOWN", "DECISION_REASON_TOOL_UNKNOWN"):
            break
    assert answer["effect"] == "EFFECT_ALLOW", answer
    for _ in range(50):
        proven = run("audit", "prove", answer["decisionId"], *addresses, *flags, folder=folder)
        if proven.returncode != ExitCode.NOT_FOUND:
            break
    assert proven.returncode == 0, proven.stderr
    assert "PROVEN" in proven.stdout


def does_without_services(*arguments: str, folder: Path) -> str:
    ended = run(*arguments, folder=folder)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_four_processes_in_development_mode(tmp_path: Path) -> None:
    mesh = FourProcesses(tmp_path, tls=False)
    with mesh.running() as processes:
        enrol_and_ask(mesh, "--data", str(tmp_path / "data"))
        doctor = run("doctor", "--config", str(mesh.config), "--data", str(tmp_path / "data"), folder=tmp_path)
        assert doctor.returncode == 0, doctor.stdout
        second = run("serve", "registry", "--config", str(mesh.config), "--dev", folder=tmp_path)
        assert second.returncode == ExitCode.IN_USE
        assert mesh.grpc["registry"] in second.stderr
        moved = ("--set", "registry.listen=127.0.0.1:0", "--set", "registry.http_listen=127.0.0.1:0")
        third = run("serve", "registry", "--config", str(mesh.config), "--dev", *moved, folder=tmp_path)
        assert third.returncode == ExitCode.IN_USE
        assert "registry.db is in use by process" in third.stderr
        for name, process in processes.items():
            assert process.stop() == 0, (name, process.errors)


def test_four_processes_with_mutual_tls(tmp_path: Path) -> None:
    mesh = FourProcesses(tmp_path, tls=True)
    tls = tmp_path / "tls"
    operator = ("--tls-ca", f"{tls}/ca.pem", "--tls-cert", f"{tls}/operator.pem", "--tls-key", f"{tls}/operator.key")
    with mesh.running() as processes:
        enrol_and_ask(mesh, *operator)
        doctor = run("doctor", "--config", str(mesh.config), *operator, "-o", "json", folder=tmp_path)
        checks = {check["what"]: check for check in json.loads(doctor.stdout)["checks"]}
        assert doctor.returncode == 0, checks
        assert checks["certificate: pdp"]["verdict"] == "warning"
        assert checks["key of yours"]["verdict"] == "ok"
        stranger = run("agent", "list", "--addr", mesh.grpc["registry"], "--tls-ca", f"{tls}/ca.pem", folder=tmp_path)
        assert stranger.returncode in (ExitCode.UNAVAILABLE, ExitCode.NOT_PERMITTED)
        plaintext = run("agent", "list", "--addr", mesh.grpc["registry"], folder=tmp_path)
        assert plaintext.returncode == ExitCode.UNAVAILABLE
        for name, process in processes.items():
            assert process.stop() == 0, (name, process.errors)


def test_doctor_names_everything_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / ".ringfence" / "dev").mkdir(parents=True)
    (tmp_path / ".ringfence").chmod(0o755)
    (tmp_path / ".ringfence" / "dev" / "operator.token").write_text("rfdev_x")
    (tmp_path / ".ringfence" / "dev" / "operator.token").chmod(0o644)
    addresses = dict(zip(SERVICES, free_addresses(4), strict=True))
    flags = [argument for name, at in addresses.items() for argument in ("--addr", f"{name}={at}")]
    ended = run("doctor", *flags, "-o", "json", folder=tmp_path)
    assert ended.returncode == ExitCode.NEGATIVE
    wrong = {check["what"]: check for check in json.loads(ended.stdout)["checks"] if check["verdict"] == "wrong"}
    assert {"data directory", "secrets", *SERVICES} <= wrong.keys()
    assert all(check["mend"] for check in wrong.values())
    shown = run("doctor", *flags, folder=tmp_path).stdout
    assert "what to do" in shown
    assert "chmod 700" in shown


def test_config_says_where_each_value_comes_from(tmp_path: Path) -> None:
    (tmp_path / "ringfence.toml").write_text('[registry]\nlisten = "127.0.0.1:1111"\n')
    arguments = ("config", "registry", "--config", "ringfence.toml", "--set", "server.drain=5s")
    variables = {"RINGFENCE_REGISTRY_HTTP_LISTEN": "127.0.0.1:2222", "RINGFENCE_TOKEN": "a client's"}
    shown = run(*arguments, folder=tmp_path, **variables)
    assert shown.returncode == 0, shown.stderr
    assert 'listen = "127.0.0.1:1111"  # ringfence.toml' in shown.stdout
    assert 'http_listen = "127.0.0.1:2222"  # RINGFENCE_REGISTRY_HTTP_LISTEN' in shown.stdout
    assert 'drain = "5s"  # flag' in shown.stdout
    sources = json.loads(run(*arguments, "-o", "json", folder=tmp_path, **variables).stdout)["sources"]
    assert sources["registry.events_kept"] == "default"


def test_what_config_prints_is_a_configuration(tmp_path: Path) -> None:
    shown = run("config", "--docs", folder=tmp_path)
    (tmp_path / "again.toml").write_text(
        "\n".join(line for line in shown.stdout.splitlines() if "redacted" not in line)
    )
    again = run("config", "--config", "again.toml", "-o", "json", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["settings"]["pdp"]["listen"] == "127.0.0.1:7403"


def test_doctor_says_what_a_service_waits_for(tmp_path: Path) -> None:
    """A pdp alone hears nobody: it serves, is not ready, and says which feeds it lacks."""
    mesh = FourProcesses(tmp_path, tls=False)
    with running("serve", "pdp", "--config", str(mesh.config), "--dev", folder=tmp_path) as pdp:
        for _ in range(100):
            doctor = run(
                *("doctor", "--service", "pdp", "--config", str(mesh.config), "--data", str(tmp_path / "data")),
                folder=tmp_path,
            )
            told = any("waiting: pdp has no" in line for line in pdp.errors)
            if told and "not ready" in doctor.stdout and "identity" in doctor.stdout:
                break
        assert doctor.returncode == ExitCode.NEGATIVE
        assert "identity" in doctor.stdout, doctor.stdout
        assert pdp.lines == []
        assert pdp.stop() == 0
        assert told, pdp.errors
