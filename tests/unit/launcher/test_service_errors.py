"""How refusals and broken connections reach the person at the keyboard."""

import socket
from collections.abc import Iterator

import grpc
import pytest
from ringfence.identity.v1 import errors_pb2 as identity_errors
from ringfence.pdp.v1 import errors_pb2 as pdp_errors
from ringfence.registry.v1 import errors_pb2 as registry_errors
from ringfence.telemetry.v1 import errors_pb2 as telemetry_errors
from ringfence_launcher.exit_codes import MEANINGS, ExitCode
from ringfence_launcher.service_errors import ADVICE, EXIT_CODES
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

REASON_ENUMS = (registry_errors, identity_errors, pdp_errors, telemetry_errors)


def documented_reasons() -> Iterator[str]:
    for module in REASON_ENUMS:
        for name, number in module.ErrorReason.items():
            if number:
                yield name.removeprefix("ERROR_REASON_")


def test_every_documented_reason_has_advice_and_no_other() -> None:
    assert set(ADVICE) == set(documented_reasons())


def test_every_status_code_has_an_exit_code() -> None:
    assert set(EXIT_CODES) == set(grpc.StatusCode) - {grpc.StatusCode.OK}
    assert ExitCode.OK not in EXIT_CODES.values()
    assert ExitCode.NEGATIVE not in EXIT_CODES.values()


def test_every_exit_code_is_explained() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_nobody_listening_names_the_address_its_source_and_the_way_out(
    ringfence: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("RINGFENCE_ADDR_REGISTRY", address)
    ended = ringfence("agent", "list")
    assert ended.code == ExitCode.UNAVAILABLE
    assert f"registry at {address} (from RINGFENCE_ADDR_REGISTRY) did not answer" in ended.err
    assert "ringfence up" in ended.err
    assert "Traceback" not in ended.err


def test_something_else_on_the_port_is_not_a_defect_of_ours(ringfence: CommandLine, mesh: FakeMesh) -> None:
    """The fakes' port has no such service: what a wrong address looks like."""
    ended = ringfence("kill", "list", "--addr", mesh.address_of_nothing)
    assert ended.code == ExitCode.USAGE
    assert "UNIMPLEMENTED" in ended.err
    assert "right address" in ended.err


def test_a_service_that_hangs_is_given_up_on(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.answers.clear()
    ended = ringfence("agent", "list", "--timeout", "0.2")
    mesh.answers.set()
    assert ended.code == ExitCode.UNAVAILABLE
    assert "did not answer in time" in ended.err
    assert "--timeout" in ended.err


def test_the_token_is_sent_and_a_wrong_one_is_explained(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.token = "sesame"
    assert ringfence("agent", "list", "--token", "sesame").code == 0
    ended = ringfence("agent", "list", "--token", "wrong")
    assert ended.code == ExitCode.NOT_PERMITTED
    assert "UNAUTHENTICATED" in ended.err
    assert "--token-file" in ended.err
    assert "wrong" not in ended.err


def test_a_token_that_is_no_header_value_is_refused_before_anything_is_sent(
    ringfence: CommandLine, mesh: FakeMesh
) -> None:
    ended = ringfence("agent", "list", "--token", "two\nlines")
    assert ended.code == ExitCode.USAGE
    assert not mesh.calls


def test_bytes_that_are_no_utf8_are_refused(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ended = ringfence("agent", "get", "demo/a\udcff")
    assert ended.code == ExitCode.USAGE
    assert not mesh.calls
