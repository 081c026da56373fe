"""The command line of one service: `python -m ringfence_registry`, and what the launcher's commands share with it.

The rules:

- standard output holds what was asked for (`--print-config`), everything else goes to standard error;
- exit codes: 0 done, 1 a failure while serving, 2 wrong usage or configuration, 3 refused to start;
- a refusal is one readable sentence; a traceback is a mistake of ours.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias, TypeVar

import structlog

from ringfence_kit import logs
from ringfence_kit.clock import SystemClock
from ringfence_kit.config import CONFIG_VARIABLE, Configuration, load
from ringfence_kit.config_render import render
from ringfence_kit.heap import let_go
from ringfence_kit.ids import random_ids
from ringfence_kit.refusals import StartRefused
from ringfence_kit.server import Server
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import Service
from ringfence_kit.store import StorageRefused

Config = TypeVar("Config")
Build: TypeAlias = Callable[..., Service]
"""`build(config, server, *, clock, new_id) -> Service`: a service's composition root."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3

_log = structlog.get_logger(__name__)


def serve(name: str, kind: type[Config], build: Build, *, arguments: Sequence[str] | None = None) -> int:
    """Run the service `name`, whose section is `kind`, as its own process; return the exit code."""
    options = _parser(name).parse_args(arguments)
    try:
        configuration = load_configuration(
            {name: kind}, file=options.config, environment=os.environ, flags=flags_of(options)
        )
        if options.print_config:
            sys.stdout.write(render(configuration, docs=True))
            return 0
        server = configuration.section("server", ServerConfig)
        logs.configure(server.log)
        service = build(configuration.section(name, kind), server, clock=SystemClock(), new_id=random_ids)
        return run([service], server)
    except (StartRefused, StorageRefused) as refused:
        return refuse(refused)


def run(services: Sequence[Service], config: ServerConfig) -> int:
    """Serve until told to stop; return the exit code. StartRefused and StorageRefused pass."""
    let_go()

    async def main() -> None:
        server = Server(config, clock=SystemClock(), new_id=random_ids)
        for service in services:
            server.add(service)
        await server.run()

    try:
        asyncio.run(main())
    except (StartRefused, StorageRefused):
        raise
    except Exception:  # noqa: BLE001 - the edge of the process: it is logged, and the exit code says so
        _log.exception("ended by a failure")
        return EXIT_FAILED
    return 0


def refuse(refused: Exception) -> int:
    """Print why the process does not start; return the exit code."""
    sys.stderr.write(f"ringfence: {refused}\n")
    return getattr(refused, "exit_code", EXIT_REFUSED)


def load_configuration(
    sections: Mapping[str, type],
    *,
    file: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, str],
) -> Configuration:
    """Return the configuration of these sections and `[server]`; the file may be named by RINGFENCE_CONFIG."""
    named = environment.get(CONFIG_VARIABLE)
    chosen = file or (Path(named) if named else None)
    return load({"server": ServerConfig, **sections}, file=chosen, environment=environment, flags=flags)


def flags_of(options: argparse.Namespace) -> dict[str, str]:
    """Return dotted key → text for the options that are settings."""
    flags = dict(options.set or ())
    if options.dev:
        flags["server.dev"] = "true"
    if options.data is not None:
        flags["server.data"] = options.data
    return flags


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m ringfence_{name}",
        description=f"Serve the Ringfence {name}.",
        epilog="Every setting can be given in the file, as RINGFENCE_<SECTION>_<KEY>, or with --set, which wins.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"configuration file (or {CONFIG_VARIABLE})")
    parser.add_argument(
        "--set", type=_assignment, action="append", metavar="KEY=VALUE", help=f"a setting: {name}.listen=127.0.0.1:0"
    )
    parser.add_argument("--dev", action="store_true", help="loopback only, without TLS, tokens in <data>/dev/")
    parser.add_argument("--data", metavar="DIR", help="where to keep what must survive")
    parser.add_argument("--print-config", action="store_true", help="print the effective configuration and end")
    parser.add_argument("--version", action="version", version=f"ringfence {version('ringfence')}")
    return parser


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value
