"""The configuration of the services as `up`, `serve`, `config` and `doctor` read it.

Defaults < file < environment < flags, as the kit loads them, with two things of the launcher's own:

- the client's variables (`RINGFENCE_ADDR_…`, `RINGFENCE_TOKEN…`, `RINGFENCE_TLS_…`, `RINGFENCE_DATA`) are not the
  services' and are kept from them: the kit refuses what it does not know;
- services that share a process are told where the others listen, and what is otherwise on one machine, unless somebody
  said otherwise.
"""

import os
import random
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

import typer
from ringfence_kit.addresses import Address
from ringfence_kit.config import ConfigInvalid, Configuration
from ringfence_kit.entry import load_configuration

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Detail, Problem
from ringfence_launcher.service_table import ENTRIES

_CLIENT_VARIABLES = re.compile(r"RINGFENCE_(DATA|TOKEN|TOKEN_FILE|ADDR_\w+|TLS_(CA|CERT|KEY))")
AT_HOME = {"registry.default_visibility": "public", "registry.default_least_verdict": "nonconformant"}
"""Settings that have another default in `ringfence up`: of cards in the wild every second breaks a rule of A2A."""
FAST_AT_HOME = {
    "registry.fast_listen": "127.0.0.1:7421",
    "identity.fast_listen": "127.0.0.1:7422",
    "pdp.fast_listen": "127.0.0.1:7423",
    "telemetry.fast_listen": "127.0.0.1:7424",
}
"""Those that have one where libnghttp2 is installed, which serves the fast ports."""
_PORTS, _PORTS_TRIED = (20_000, 32_767), 50
_LISTENS = re.compile(r"\w+\.(\w+_)?listen")


def load_settings(
    names: Iterable[str],
    *,
    file: Path | None,
    flags: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
) -> Configuration:
    """Return the effective configuration of these services; everything that is wrong with it is one Problem."""
    try:
        return load_configuration(
            {name: ENTRIES[name].config_kind() for name in names},
            file=file,
            environment=without_client_variables(environment),
            flags=flags,
        )
    except ConfigInvalid as invalid:
        raise Problem(
            "the configuration cannot be used",
            code=ExitCode.CONFIGURATION,
            mend="correct what is listed; `ringfence config --docs` explains every setting",
            details=tuple(
                Detail(where=found.key or found.source, what=f"{found.problem} (from {found.source})")
                for found in invalid.problems
            ),
        ) from invalid


def has_fast_ports() -> bool:
    """Say whether what serves the fast ports is installed: the extra `fast`."""
    return find_spec("ngh2") is not None


def load_one_process(
    *,
    file: Path | None,
    flags: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
    fast_ports: bool | None = None,
) -> Configuration:
    """Return the configuration of all four services in one process: free ports chosen, peers introduced.

    `fast_ports` says whether there can be any; None looks at what is installed.
    """
    home = AT_HOME | FAST_AT_HOME if (has_fast_ports() if fast_ports is None else fast_ports) else AT_HOME
    asked = load_settings(ENTRIES, file=file, flags=flags, environment=environment)
    ports = dict(free_ports(listening_addresses(asked)))
    bound = load_settings(ENTRIES, file=file, flags={**flags, **ports}, environment=environment)
    introductions = {**dict(_introductions(bound)), **dict(_unsaid(home, bound))}
    return load_settings(ENTRIES, file=file, flags={**flags, **ports, **introductions}, environment=environment)


def listening_addresses(configuration: Configuration) -> dict[str, str]:
    """Return every `….listen` setting with its address, in the order of declaration; an empty one listens nowhere."""
    found = {}
    for name, table in configuration.tables.items():
        section = configuration.section(name, object)
        for leaf in table.leaves():
            address = str(getattr(section, leaf.path.removeprefix(f"{name}."))) if _LISTENS.fullmatch(leaf.path) else ""
            if address:
                found[leaf.path] = address
    return found


def free_ports(addresses: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give a concrete free port for each address that asks for any (port 0), so that peers can be told beforehand."""
    with ExitStack() as held:  # all are held until all are chosen, so that none is chosen twice
        for key, text in addresses.items():
            host, _, port = text.rpartition(":")
            if port == "0":
                probe = held.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
                yield key, str(Address(host.strip("[]"), _bound_port(probe, host.strip("[]"))))


def _bound_port(probe: socket.socket, host: str) -> int:
    """Bind `probe` to a port nobody has; of those Linux gives to no client until the service opens it, if it can be."""
    for _ in range(_PORTS_TRIED):
        with suppress(OSError):
            probe.bind((host, random.randint(*_PORTS)))  # noqa: S311  # not a secret
            break
    else:
        probe.bind((host, 0))
    return int(probe.getsockname()[1])


def without_client_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are the services' business."""
    return {name: value for name, value in environment.items() if not _CLIENT_VARIABLES.fullmatch(name)}


def assignments(given: Sequence[str] | None) -> dict[str, str]:
    """Return `--set KEY=VALUE` as flags."""
    flags: dict[str, str] = {}
    for text in given or ():
        key, separator, value = text.partition("=")
        if not separator or "." not in key:
            raise typer.BadParameter(f"--set {text!r}: write SECTION.KEY=VALUE, e.g. registry.listen=127.0.0.1:7401")
        flags[key] = value
    return flags


def _unsaid(home: Mapping[str, str], configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Give what is otherwise on one machine, where nobody said so: there is nobody to hide from or to protect."""
    for key, value in home.items():
        if configuration.source(key) == "default":
            yield key, value


def _introductions(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Give `pdp.identity.address` and its like, which nobody set, the address that service listens on here."""
    listens = listening_addresses(configuration)
    for table in configuration.tables.values():
        for leaf in table.leaves():
            match leaf.path.split("."):
                case [_, peer, "address"] if peer in ENTRIES and configuration.source(leaf.path) == "default":
                    yield leaf.path, listens[f"{peer}.listen"]
