"""Every client of gRPC finds the same service on both kinds of port: one table of cases, and a driver for each client.

The table is `cases.json`. A driver (`support/conformance/drivers.py`) is a program that runs all of it against an
address and writes down what its client was told. The drivers are grpcio's two clients, grpc-js and Connect, and, where
it could be built, grpc-go. Envoy, which asks at both ports as a client of its own, stands before one of them once more.
"""

import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc.status_pb2 import Status
from support.conformance.drivers import COMMANDS, SUITE, started, written_by
from support.conformance.table import Answers, Case, read_cases
from support.echo import KINDS
from support.identity.envoy import LOOPBACK, free_port, running_envoy
from support.running_echo import RunningEcho, running_echo
from support.wire import read_status

TABLE = SUITE / "cases.json"
ROWS: Mapping[str, Mapping[str, Any]] = {each["name"]: each for each in json.loads(TABLE.read_text())}
CASES = {case.name: case for case in read_cases(TABLE)}
LIMIT = "server.limits.max_request_bytes=1048576"
OK, CANCELLED, ABORTED, INTERNAL, UNAVAILABLE = "0", "1", "10", "13", "14"


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEcho]:
    with running_echo(tmp_path_factory.mktemp("echo"), LIMIT) as running:
        yield running


@pytest.fixture(scope="module")
def cases(echo: RunningEcho, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table with what only a running service can fill in."""
    filled = TABLE.read_text().replace("{operator}", echo.operator).replace("{twenty thousand}", "y" * 20_000)
    path = tmp_path_factory.mktemp("cases") / TABLE.name
    path.write_text(filled)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def envoy(echo: RunningEcho, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mapping[str, str]]:
    """Where Envoy listens that asks the service at each kind of port."""
    fast_ingress = f"{LOOPBACK}:{free_port()}"
    config, folder = (SUITE / "envoy.yaml").read_text(), tmp_path_factory.mktemp("envoy")
    async with running_envoy(config, folder, fast_ingress=fast_ingress, **echo.addresses) as gateway:
        yield {"standard": gateway.url.removeprefix("http://"), "fast": fast_ingress}


@pytest.mark.parametrize("driver", COMMANDS)
def test_a_client_is_told_what_the_table_says(driver: str, echo: RunningEcho, cases: Path) -> None:
    assert found_otherwise(driver, echo.addresses, cases) == {}
    echo.rest()


def test_so_is_one_behind_an_envoy(envoy: Mapping[str, str], echo: RunningEcho, cases: Path) -> None:
    assert found_otherwise("grpcio-aio", envoy, cases) == {}
    echo.rest()


def test_clients_go_on_with_a_replica_while_one_drains(tmp_path: Path) -> None:
    """What is not taken any more is told so; nothing hangs, and every client is answered by the other one."""
    shared = "server.reuse_port=true"
    with running_echo(tmp_path / "leaving", shared) as leaving:
        clients = {(driver, port): started(driver, leaving.addresses[port]) for driver in COMMANDS for port in KINDS}
        for client in clients.values():
            assert client.stdout is not None
            assert client.stdout.readline() == "begun\n"
        settings = [f"echo.listen={leaving.addresses['standard']}", f"echo.fast_listen={leaving.addresses['fast']}"]
        with running_echo(tmp_path / "staying", shared, *settings):
            for client in clients.values():
                assert client.stdin is not None
                client.stdin.write("go on\n")
                client.stdin.flush()
            leaving.end()
            told = {client: written_by(process)[-1] for client, process in clients.items()}
    assert {client: codes for client, codes in told.items() if not codes.keys() <= at_a_drain(*client)} == {}


def at_a_drain(driver: str, port: str) -> set[str]:
    """Return the codes a call may end with while a replica ends."""
    codes = {OK, UNAVAILABLE}
    if port == "standard":
        # gRPC core cancels what it has not handed over when it is stopped.
        codes.add(CANCELLED)
    if driver == "connect":
        # That is its word for a connection that was closed just as it chose it.
        codes.add(ABORTED)
        if port == "standard":
            # And this for an answer that breaks off without trailers, which is how core leaves some when it stops.
            codes.add(INTERNAL)
    return codes


def found_otherwise(driver: str, addresses: Mapping[str, str], cases: Path) -> dict[str, str]:
    """Let a client run the table against both ports at once; return what it was not told as it is written there."""
    running = {port: started(driver, address, str(cases)) for port, address in addresses.items()}
    told = {(port, line["case"]): line for port, process in running.items() for line in written_by(process)}
    assert told.keys() == {(port, name) for port in addresses for name in CASES}
    found = {
        f"{port}: {name}": differences(CASES[name], expected_by(driver, name), line)
        for (port, name), line in told.items()
    }
    return {where: difference for where, difference in found.items() if difference}


def expected_by(driver: str, name: str) -> Mapping[str, Any]:
    """Return what a client is to be told. Some calls never leave a client that heeds what the server announces."""
    row = ROWS[name]
    expected: Mapping[str, Any] = row.get("refused_by_itself", {}).get(driver, row["expect"])
    return expected


def differences(case: Case, expected: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """Say where what a client was told is not what the table says; nothing when it is."""
    status = read_status(Status.FromString(base64.b64decode(told["status"])))
    code = next(code.name for code in grpc.StatusCode if code.value[0] == told["code"])
    found: dict[str, Any] = {
        "code": code,
        "message": told["message"],
        "reason": status.reason,
        "violations": status.violations,
        "retry_after_ms": status.retry_after,
        "metadata": {key: status.metadata.get(key) for key in expected.get("metadata", ())},
        "trailers": {key: told["trailers"].get(key) for key in expected.get("trailers", ())},
        "answers": told["answers"],
    }
    wanted = {"code": "OK", **expected}
    if "answers" in wanted:
        wanted["answers"] = [list(each) for each in [answers(case, wanted["answers"])] * case.at_once]
    return "; ".join(f"{key}: {found[key]!r}, not {value!r}" for key, value in wanted.items() if found[key] != value)


def answers(case: Case, expected: Any) -> tuple[int, str]:
    """Return how many answers the table expects, and what they say."""
    match expected:
        case "same":
            texts = [*case.texts()]
        case {"numbers": int(count)}:
            texts = [str(number) for number in range(count)]
        case {"times": int(count), "text": str(text), "between": str(between)}:
            texts = [between.join([text] * count)]
        case _:
            texts = expected
    said = Answers()
    for text in texts:
        said.add(text)
    return said.count, said.said
