"""`ringfence serve`: one service in a process of its own."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from ringfence_kit import logs
from ringfence_kit.clock import SystemClock
from ringfence_kit.ids import random_ids
from ringfence_kit.server_config import ServerConfig

from ringfence_launcher.data_directory import make_private
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.in_one_process import serve_until_stopped
from ringfence_launcher.options import ConfigFileOption, SetOption, prints
from ringfence_launcher.output import Output
from ringfence_launcher.problems import Problem
from ringfence_launcher.service_table import ENTRIES
from ringfence_launcher.settings import assignments, listening_addresses, load_settings

app = typer.Typer(help="Start one service.")


class ServiceName(enum.StrEnum):
    """The four services."""

    REGISTRY = "registry"
    IDENTITY = "identity"
    PDP = "pdp"
    TELEMETRY = "telemetry"


@app.command(
    epilog="Examples: ringfence serve pdp --config ringfence.toml\n\n"
    "ringfence serve registry --dev --data ./.ringfence\n\n"
    "ringfence serve pdp --workers 4 --config ringfence.toml\n\n"
    "One file can hold the settings of all four; each service reads [server] and its own section."
)
@prints
def serve(
    out: Output,
    service: Annotated[ServiceName, typer.Argument(metavar="SERVICE", help="registry, identity, pdp or telemetry.")],
    *,
    config: ConfigFileOption = None,
    dev: Annotated[bool, typer.Option("--dev", help="Loopback, no TLS, tokens in <data>/dev/.")] = False,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where it keeps what must survive.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How many processes decide, of a pdp; they share its ports."),
    ] = None,
    settings: SetOption = None,
) -> None:
    """Start one service: its data, its ports, its certificate. Four of them make a mesh.

    Says when it is ready, drains on SIGTERM and ends with 0. A port or a database that is taken is a refusal.
    """
    if workers is not None and service is not ServiceName.PDP:
        raise Problem(f"{service.value} is one process", code=ExitCode.USAGE, mend="leave --workers out")
    flags = (
        assignments(settings)
        | ({"server.dev": "true"} if dev else {})
        | ({"server.data": str(data)} if data else {})
        | ({"pdp.workers": str(workers)} if workers else {})
    )
    configuration = load_settings([service.value], file=config, flags=flags)
    server = configuration.section("server", ServerConfig)
    logs.configure(server.log)
    make_private(server.data)
    built = ENTRIES[service.value].build(configuration, clock=SystemClock(), new_id=random_ids)
    addresses = listening_addresses(configuration)

    async def announce() -> None:
        out.value(
            {"service": service.value, "ready": True, **addresses},
            lambda: f"{service.value} is ready on {', '.join(addresses.values())}",
        )
        out.stdout.file.flush()

    serve_until_stopped([built], server, progress=out.hint, ready=announce)
