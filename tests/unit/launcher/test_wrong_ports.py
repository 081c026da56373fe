"""A connection that fails says why, and what to do about that, whatever stands at the other end."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import grpc
import pytest
from ringfence.errors import UnavailableError
from ringfence_launcher.endpoints import Sourced
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.service_errors import problem_of
from support.certificates import Authority
from support.launcher.command_line import CommandLine


@contextmanager
def grpc_port(credentials: grpc.ServerCredentials | None = None, *, host: str = "127.0.0.1") -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    anywhere = f"{host}:0"
    port = server.add_secure_port(anywhere, credentials) if credentials else server.add_insecure_port(anywhere)
    server.start()
    yield f"{host}:{port}"
    server.stop(None).wait()


@contextmanager
def http_port() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@dataclass(frozen=True, slots=True)
class Files:
    """Certificates on both ends."""

    server: grpc.ServerCredentials
    mutual: grpc.ServerCredentials
    ca: str
    other_ca: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder: Path = tmp_path_factory.mktemp("certificates")
    authority, other = Authority(), Authority("another authority")
    pair = authority.issue(dns=["localhost"])
    (folder / "ca.pem").write_bytes(authority.certificate)
    (folder / "other.pem").write_bytes(other.certificate)
    pairs = [(pair.key, pair.certificate)]
    return Files(
        grpc.ssl_server_credentials(pairs),
        grpc.ssl_server_credentials(pairs, root_certificates=authority.certificate, require_client_auth=True),
        str(folder / "ca.pem"),
        str(folder / "other.pem"),
    )


def advice(ringfence: CommandLine, address: str, *flags: str) -> str:
    ended = ringfence("agent", "list", "--addr", address, "--token", "t", *flags)
    assert ended.code == ExitCode.UNAVAILABLE
    return ended.err.rpartition("what to do: ")[2]


def test_a_port_of_http(ringfence: CommandLine) -> None:
    with http_port() as address:
        assert "not the one of metrics and health" in advice(ringfence, address)


def test_tls_where_none_is_spoken(ringfence: CommandLine, files: Files) -> None:
    with grpc_port() as address:
        assert "no TLS is spoken there" in advice(ringfence, address, "--tls-ca", files.ca)


def test_no_tls_where_it_is_spoken(ringfence: CommandLine, files: Files) -> None:
    with grpc_port(files.server) as address:
        assert "give --tls-ca" in advice(ringfence, address)


def test_no_certificate_where_one_is_wanted(ringfence: CommandLine, files: Files) -> None:
    with grpc_port(files.mutual, host="localhost") as address:
        assert "--tls-cert and --tls-key" in advice(ringfence, address, "--tls-ca", files.ca)


def test_a_certificate_of_somebody_else(ringfence: CommandLine, files: Files) -> None:
    with grpc_port(files.server) as address:
        assert "who signed its certificate" in advice(ringfence, address, "--tls-ca", files.other_ca)


def test_a_certificate_for_another_name(ringfence: CommandLine, files: Files) -> None:
    with grpc_port(files.server) as address:
        assert "for another name" in advice(ringfence, address, "--tls-ca", files.ca)


def test_a_name_nobody_knows() -> None:
    said = UnavailableError("errors resolving nowhere.invalid:1: [field:hostname lookup error:Domain name not found]")
    problem = problem_of(said, service="registry", address=Sourced(value="nowhere.invalid:1", source="--addr"))
    assert "check the name in the address" in problem.mend


def test_what_is_wrong_is_said_once(files: Files) -> None:
    """gRPC writes lines of its own about every handshake that fails, unless it is told not to."""
    with grpc_port() as address:
        line = ["agent", "list", "--addr", address, "--token", "t", "--tls-ca", files.ca]
        ended = subprocess.run(
            [sys.executable, "-m", "ringfence_launcher", *line], capture_output=True, text=True, check=False, timeout=60
        )
    assert ended.returncode == ExitCode.UNAVAILABLE
    assert ended.stderr.count("WRONG_VERSION_NUMBER") == 1
