"""Whatever is asked together, by whomever, both kinds of port answer the same, and leave the same behind.

On the fast port calls share tasks, contexts and what was read of their heads; on the standard one they share nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ringfence_kit.callers import current_caller
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.server_config import LogConfig, QuotasConfig
from ringfence_kit.service import Face, fast_listener
from structlog.testing import LogCapture
from support.echo import NAME, Echo, add_echo_to_server, echo_service, failing
from support.serving import OPERATOR, SERVICE, Mesh, server_config, serving

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
USABLE_ID = "mine"
METHODS = ("Say", "WhoAmI", "Decide", "Write", "Fail", "Nothing")
PORTS = ("echo.listen", "echo.fast_listen")
UNLIMITED = QuotasConfig(read_per_second=0, write_per_second=0, open_per_second=0, refused_per_second=0)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call."""

    method: str
    request: bytes
    as_who: str
    request_id: str = ""
    trace: str = ""
    has_deadline: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What its caller is told."""

    code: str
    said: object
    trailers: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What is known of calls that were answered."""

    lines: Counter[tuple[tuple[str, str], ...]]
    counted: Mapping[str, float]


class Waiting(Echo):
    """Gives way once for each `w` it is sent, and says then who calls: its caller, and nobody it ran beside."""

    async def Decide(self, request: StringValue, context: Any) -> StringValue:
        before = current_caller()
        for _ in range(request.value.count("w")):
            await asyncio.sleep(0)
        assert current_caller() is before
        return StringValue(value=f"{request.value} {before.principal}")


class Ports:
    """One service on two ports, and what calls to either leave behind."""

    def __init__(self, runner: asyncio.Runner, mesh: Mesh, captured: LogCapture) -> None:
        self._runner = runner
        self._mesh = mesh
        self._captured = captured
        self._channels = {port: grpc.aio.insecure_channel(mesh.address(port)) for port in PORTS}
        self._credentials = {
            "operator": mesh.metadata(OPERATOR),
            "service": mesh.metadata(SERVICE),
            "nobody": (),
            "somebody": (("authorization", "Bearer rfdev_of-nobody"),),
            "two": (*mesh.metadata(OPERATOR), *mesh.metadata(SERVICE)),
        }

    def ask(self, port: str, together: Sequence[Asked]) -> tuple[list[Answered], LeftBehind]:
        """Make these calls at once; return their answers in order, and what was left behind."""
        self._captured.entries.clear()
        before = self._counted()
        answers = self._runner.run(self._all(port, together))
        after = self._counted()
        lines = Counter(_lasting(line) for line in self._captured.entries)
        return answers, LeftBehind(lines, {name: after[name] - before.get(name, 0) for name in after})

    async def _all(self, port: str, together: Sequence[Asked]) -> list[Answered]:
        return await asyncio.gather(*(self._one(port, asked) for asked in together))

    async def _one(self, port: str, asked: Asked) -> Answered:
        method: Any = self._channels[port].unary_unary(f"/{NAME}/{asked.method}")
        call = method(
            asked.request,
            metadata=(*self._credentials[asked.as_who], *_headers(asked)),
            timeout=30 if asked.has_deadline else None,
        )
        try:
            code, said = "OK", await call
        except grpc.aio.AioRpcError as error:
            code, said = error.code().name, error.details()
        trailers = dict(await call.trailing_metadata())
        if asked.request_id != USABLE_ID:
            # It gets one of its own.
            assert trailers.pop("x-request-id") not in ("", asked.request_id)
        return Answered(code, said, trailers)

    def _counted(self) -> dict[str, float]:
        """Return every number of calls; how long they took is left out."""
        return {
            f"{sample.name} {sample.labels}": sample.value
            for metric in self._mesh.metrics.registry.collect()
            if metric.name.startswith("ringfence_") and metric.name != "ringfence_fast_port_connections"
            for sample in metric.samples
            if not sample.name.endswith(("_bucket", "_sum"))
        }

    def close(self) -> None:
        """Close both channels."""
        for channel in self._channels.values():
            self._runner.run(channel.close())


def _headers(asked: Asked) -> tuple[tuple[str, str], ...]:
    said = (("x-request-id", asked.request_id), ("traceparent", asked.trace))
    return tuple((key, value) for key, value in said if value)


def _lasting(line: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what of a line is the same on every port and at every time."""
    passing = {"milliseconds", "peer"} | (set() if line.get("request_id") == USABLE_ID else {"request_id"})
    return tuple(sorted((key, str(value)) for key, value in line.items() if key not in passing))


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    data: Path = tmp_path_factory.mktemp("data")
    captured = LogCapture()
    structlog.configure(processors=[captured])
    echo = Waiting()
    echo.failure = failing(EtagMismatch(name="n", expected='"1"', current='"2"'))
    service = echo_service(echo)
    fast = fast_listener("127.0.0.1:0", setting=PORTS[1], faces=[Face(add_echo_to_server, echo)])
    config = server_config(data, log=LogConfig(), quotas=UNLIMITED)
    with asyncio.Runner() as runner:
        context = serving(replace(service, listeners=[*service.listeners, *fast]), config=config)
        mesh = runner.run(context.__aenter__())
        both = Ports(runner, mesh, captured)
        yield both
        both.close()
        runner.run(context.__aexit__(None, None, None))
    structlog.reset_defaults()


def _of_text(text: str) -> bytes:
    return StringValue(value=text).SerializeToString()


asked = st.builds(
    Asked,
    st.sampled_from(METHODS),
    st.binary(max_size=3) | st.sampled_from(("", "w", "ww", "hello w")).map(_of_text),
    st.sampled_from(("operator", "service", "nobody", "somebody", "two")),
    st.sampled_from(("", USABLE_ID, "not an id", "x" * 200)),
    st.sampled_from(("", TRACE, "nonsense")),
    st.booleans(),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(asked, min_size=1, max_size=12))
@example([Asked("Decide", _of_text(text), who) for text in ("w", "", "www", "w") for who in ("operator", "service")])
def test_both_ports_answer_alike_and_leave_the_same_behind(ports: Ports, together: list[Asked]) -> None:
    standard, fast = (ports.ask(port, together) for port in PORTS)
    assert fast[0] == standard[0]
    assert fast[1] == standard[1]
