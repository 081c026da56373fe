"""`ringfence doctor`: what is wrong with this set-up, and how to mend it."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text
from ringfence_kit.config import Configuration
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.tls import TlsConfig

from ringfence_launcher.connection import Mesh
from ringfence_launcher.doctor.certificates import check_certificates, check_pair
from ringfence_launcher.doctor.check import Check, Verdict, anything_wrong, ok, warning, wrong
from ringfence_launcher.doctor.machine import check_data_directory, check_packages, check_python
from ringfence_launcher.doctor.services import check_service
from ringfence_launcher.endpoints import Endpoints
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.options import ConfigFileOption, speaks_to
from ringfence_launcher.output import Output, fields, stacked, table
from ringfence_launcher.problems import Problem
from ringfence_launcher.running_mesh import SERVICES
from ringfence_launcher.service_table import ENTRIES
from ringfence_launcher.settings import listening_addresses, load_settings

app = typer.Typer(help="Find out what is wrong with this set-up, and how to mend it.")

_MARKS = {Verdict.OK: ("ok", "green"), Verdict.WARNING: ("warning", "yellow"), Verdict.WRONG: ("WRONG", "bold red")}


@app.command(
    epilog="Example: ringfence doctor\n\n"
    "Ends with 0 when nothing is wrong, with 1 when something is; warnings do not count."
)
@speaks_to("registry")
def doctor(
    mesh: Mesh,
    out: Output,
    *,
    config: ConfigFileOption = None,
    only: Annotated[list[str] | None, typer.Option("--service", help="Look at this service only; repeat.")] = None,
) -> None:
    """Look at everything a mesh needs, from the Python version to each service's feeds, and say what to do."""
    unknown = set(only or ()) - set(SERVICES)
    if unknown:
        raise typer.BadParameter(f"--service {min(unknown)}: there are {', '.join(SERVICES)}")
    checks = list(_checks(mesh, config, only or list(SERVICES)))
    out.value({"checks": [asdict(check) for check in checks]}, lambda: _view(checks))
    if anything_wrong(checks):
        raise typer.Exit(int(ExitCode.NEGATIVE))


def _checks(mesh: Mesh, config: Path | None, services: list[str]) -> Iterator[Check]:
    yield check_python()
    yield check_packages()
    yield from check_data_directory(mesh.endpoints.data)
    try:
        configuration = load_settings(ENTRIES, file=config, flags={})
    except Problem as problem:
        for detail in problem.details:
            yield wrong(f"configuration: {detail.where}", detail.what, mend=problem.mend)
        return
    yield ok("configuration", str(config) if config else "defaults and environment")
    yield from _check_configured_certificates(configuration)
    yield from _check_own_certificates(mesh)
    yield _check_running(mesh)
    yield from _check_services(mesh.endpoints, configuration, services, timeout=mesh.timeout)


def _check_services(
    endpoints: Endpoints, configuration: Configuration, services: list[str], *, timeout: float
) -> Iterator[Check]:
    """Look at the services where the command line finds them, and failing that where the configuration puts them."""
    listens = listening_addresses(configuration)
    found = replace(
        endpoints,
        fallback={name: listens[f"{name}.listen"] for name in ENTRIES},
        fallback_source="configuration",
    )
    with Mesh(found, timeout=timeout) as mesh:
        for name in services:
            yield from check_service(mesh, name, http_address=_http_address(found, name, listens))


def _check_configured_certificates(configuration: Configuration) -> Iterator[Check]:
    for name, tls in _certificates(configuration):
        files = [(name, tls.cert_file), *([(f"{name}, clients", tls.client_ca_file)] if tls.client_ca_file else [])]
        yield from check_certificates(files, now=dt.datetime.now(dt.UTC))
        yield check_pair(name, tls.cert_file, tls.key_file)


def _certificates(configuration: Configuration) -> Iterator[tuple[str, TlsConfig]]:
    shared = configuration.section("server", ServerConfig).tls
    if shared is not None:
        yield "server", shared
    for name in ENTRIES:
        own = getattr(configuration.section(name, object), "tls", None)
        if isinstance(own, TlsConfig):
            yield name, own


def _check_own_certificates(mesh: Mesh) -> Iterator[Check]:
    tls = mesh.endpoints.tls()
    if tls is None:
        return
    files = [(name, file) for name, file in (("authority", tls.ca_file), ("yours", tls.cert_file)) if file is not None]
    yield from check_certificates(files, now=dt.datetime.now(dt.UTC))
    if tls.cert_file is not None and tls.key_file is not None:
        yield check_pair("yours", tls.cert_file, tls.key_file)


def _check_running(mesh: Mesh) -> Check:
    running, data = mesh.endpoints.running, mesh.endpoints.data
    if running is not None:
        return ok("mesh", f"`ringfence up` runs on {data}, process {running.pid}")
    if (data / "endpoints.json").exists():
        mend = f"start it again, or remove {data / 'endpoints.json'}"
        return warning("mesh", f"a `ringfence up` on {data} ended without saying so", mend=mend)
    return ok("mesh", f"no `ringfence up` runs on {data}; the addresses below come from elsewhere")


def _http_address(endpoints: Endpoints, name: str, listens: Mapping[str, str]) -> str | None:
    """Return the HTTP port that belongs to a service's address, where one is known."""
    address = endpoints.address(name).value
    if endpoints.running is not None and endpoints.running.grpc[name] == address:
        return endpoints.running.http[name]
    return listens[f"{name}.http_listen"] if listens[f"{name}.listen"] == address else None


def _view(checks: list[Check]) -> RenderableType:
    listed = table(
        ["", "WHAT", "FOUND"],
        ((Text(*_MARKS[check.verdict]), check.what, check.found) for check in checks),
        empty="nothing was looked at",
    )
    to_mend = [check for check in checks if check.mend]
    if not to_mend:
        return stacked(listed, Text("\nnothing is wrong", style="bold green"))
    mends = fields((f"{check.what}:", check.mend) for check in to_mend)
    return stacked(listed, Text("\nwhat to do", style="bold"), mends)
