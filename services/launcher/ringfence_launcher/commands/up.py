"""`ringfence up`: all four services in one process, on loopback, with data that stays."""

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import RenderableType
from rich.text import Text
from ringfence_kit import logs
from ringfence_kit.addresses import Address, parse_address
from ringfence_kit.clock import SystemClock
from ringfence_kit.config import Configuration
from ringfence_kit.dev_tokens import token_path
from ringfence_kit.ids import random_ids
from ringfence_kit.server_config import ServerConfig

from ringfence_launcher import running_mesh
from ringfence_launcher.data_directory import make_private, put_examples, sole_mesh
from ringfence_launcher.endpoints import DEFAULT_DATA
from ringfence_launcher.in_one_process import serve_until_stopped
from ringfence_launcher.options import ConfigFileOption, SetOption, prints
from ringfence_launcher.output import Output, fields, stacked
from ringfence_launcher.running_mesh import SERVICES, RunningMesh
from ringfence_launcher.service_table import ENTRIES
from ringfence_launcher.settings import assignments, has_fast_ports, listening_addresses, load_one_process

_log = structlog.get_logger(__name__)

app = typer.Typer(help="Start all four services on this machine, on loopback.")

PortOption = Annotated[int | None, typer.Option(min=0, max=65_535, metavar="PORT", help="0 takes any free port.")]

_QUIET = {"server.log.level": "warning", "server.log.calls": "failed"}
"""What a person at a terminal wants of the log, unless they asked for more."""


@app.command(
    epilog="Example: ringfence up --data ./.ringfence\n\n"
    "A second start on the same data goes on where the first ended. Stop it with Ctrl-C or SIGTERM."
)
@prints
def up(
    out: Output,
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", envvar="RINGFENCE_DATA", help="Default: ./.ringfence")
    ] = None,
    host: Annotated[str, typer.Option(help="Loopback address to listen on. Default: 127.0.0.1")] = "",
    registry_port: PortOption = None,
    identity_port: PortOption = None,
    pdp_port: PortOption = None,
    telemetry_port: PortOption = None,
    otlp_port: PortOption = None,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take any free ports; commands find them by the data directory.")
    ] = False,
    config: ConfigFileOption = None,
    settings: SetOption = None,
) -> None:
    """Start registry, identity, pdp and telemetry in one process, on SQLite, for development.

    Everything stays under the data directory, readable by you alone: databases, keys, and the operator token that the
    other commands find by themselves. Loopback only; `ringfence serve` is for everything else.
    """
    begun = time.monotonic() - _age_of_process()
    asked = assignments(settings) | {"server.dev": "true"} | ({"server.data": str(data)} if data else {})
    chosen = {
        "registry.listen": registry_port,
        "identity.listen": identity_port,
        "pdp.listen": pdp_port,
        "telemetry.listen": telemetry_port,
        "telemetry.otlp_listen": otlp_port,
    }
    ports = {key: port for key, port in chosen.items() if port is not None}
    configuration = _configured(config, asked, host=host, ports=ports, other_ports=0 if free_ports else None)
    server = configuration.section("server", ServerConfig)
    logs.configure(server.log)
    if not has_fast_ports():
        _log.warning("there are no fast ports, as ngh2 is not installed (the extra `fast`)")
    make_private(server.data)
    with sole_mesh(server.data):
        put_examples(server.data)
        services = [entry.build(configuration, clock=SystemClock(), new_id=random_ids) for entry in ENTRIES.values()]
        mesh = _mesh(configuration, server.data)

        async def announce() -> None:
            mesh.write(server.data)
            seconds = time.monotonic() - begun
            out.value({"readySeconds": round(seconds, 3), **_as_json(mesh)}, lambda: _ready_view(mesh, seconds))
            out.verbatim("\nTry, in another terminal:\n\n  " + "\n  ".join(_to_paste(server.data)))
            out.stdout.file.flush()
            out.hint("\nCtrl-C stops it; the data stays.")

        serve_until_stopped(
            services,
            server,
            progress=out.hint,
            ready=announce,
            stopped=lambda: running_mesh.remove(server.data),
        )


def _configured(
    file: Path | None, asked: dict[str, str], *, host: str, ports: Mapping[str, int], other_ports: int | None
) -> Configuration:
    """Return the configuration with --host and the ports put into the addresses it would have without them."""
    plain = load_one_process(file=file, flags=asked)
    flags = dict(asked)
    for key, text in listening_addresses(plain).items():
        address, port = parse_address(text), ports.get(key, other_ports)
        if address is not None and (host or port is not None):
            flags.setdefault(key, str(Address(host or address.host, address.port if port is None else port)))
    quiet = {key: value for key, value in _QUIET.items() if plain.source(key) == "default"}
    return load_one_process(file=file, flags=quiet | flags)


def _mesh(configuration: Configuration, data: Path) -> RunningMesh:
    listens = listening_addresses(configuration)
    return RunningMesh(
        pid=os.getpid(),
        grpc={name: listens[f"{name}.listen"] for name in SERVICES},
        http={name: listens[f"{name}.http_listen"] for name in SERVICES},
        otlp=listens["telemetry.otlp_listen"],
        fast={name: listens[f"{name}.fast_listen"] for name in SERVICES if f"{name}.fast_listen" in listens},
        token_file=token_path(data, "operator").absolute(),
    )


def _as_json(mesh: RunningMesh) -> dict[str, object]:
    return json.loads(json.dumps(asdict(mesh), default=str))  # type: ignore[no-any-return]  # what dumps wrote is an object


def _ready_view(mesh: RunningMesh, seconds: float) -> RenderableType:
    return stacked(
        Text.assemble(("ringfence is ready", "bold green"), f" in {seconds:.1f} s, process {mesh.pid}\n"),
        fields(
            [
                *((name, f"{mesh.grpc[name]:<22}http://{mesh.http[name]}") for name in SERVICES),
                ("otlp", f"{mesh.otlp:<22}http://{mesh.http['telemetry']}"),
                *((f"{name}, fast", address) for name, address in mesh.fast.items()),
                ("token", str(mesh.token_file)),
            ]
        ),
    )


def _to_paste(data: Path) -> list[str]:
    """Return three commands that work as they stand, in this folder."""
    ringfence, card = _this_command(), shlex.quote(f"{data}/examples/analyst.card.json")
    where = "" if data == DEFAULT_DATA else f" --data {shlex.quote(str(data))}"
    return [
        f"{ringfence} doctor{where}",
        f"{ringfence} agent register demo/analyst --card {card} "
        "--purpose 'Answers questions about the sales figures.' "
        "--owner 'Sales analytics <https://example.com/teams/sales-analytics>' --risk low --environment dev "
        f"--tool warehouse.query --tool warehouse.update{where}",
        f"{ringfence} agent list{where}",
    ]


def _this_command() -> str:
    """Return how this command can be typed again: its name if the shell finds it, else the way it was called."""
    if shutil.which("ringfence"):
        return "ringfence"
    called = Path(sys.argv[0])
    if called.suffix == ".py":
        return f"{shlex.quote(sys.executable)} -m ringfence_launcher"
    return shlex.quote(str(called))


def _age_of_process() -> float:
    """Return how many seconds ago this process was started, so that "ready in" counts what its user waited for."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0  # not Linux: counted from here
