"""What the fast port costs around an empty handler, as ratios to an empty `grpc.aio` handler in the same run.

The handler does nothing, so this is libnghttp2, the event loop, and the kit. What is compared:

- `bare`: the transport alone;
- `around`: a service with all that the kit does around a call: token, grant, quota, deadline, metrics, and a line for
  each that failed; `with lines`: for every call;
- `traced`: the same, exporting spans, asked by callers whose trace is not sampled;
- `mutual TLS`: the same with certificates in place of the token.

python bench/fast_transport.py [ROUNDS [SECONDS OF A SLICE]]
"""

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
from empty_server import ANSWER, METHOD
from grpc_load import Call, Load, client_tls
from processes import accepts, cpu_of, free_address, make_certificates, running
from ringfence_kit import listening
from ringfence_kit.addresses import Address
from ringfence_kit.callers import Role
from ringfence_kit.clock import SystemClock
from ringfence_kit.dev_tokens import open_dev_tokens, token_path
from ringfence_kit.grants import Grant, Grants, MethodClass
from ringfence_kit.ids import random_ids
from ringfence_kit.logs import configure
from ringfence_kit.methods import Handler
from ringfence_kit.server import Server
from ringfence_kit.server_config import (
    AuthConfig,
    CallLog,
    CertificateBinding,
    LogConfig,
    LogFormat,
    QuotasConfig,
    ServerConfig,
    TracingConfig,
)
from ringfence_kit.service import Face, Listener, Service
from ringfence_kit.tls import TlsConfig

SERVICE = METHOD[1:].partition("/")[0]
CALLER = CertificateBinding(identity="spiffe://ringfence.example/pdp", roles=(Role.SERVICE,))
TRACE = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
KINDS = ("bare", "around", "with lines", "traced", "mutual TLS")
BEFORE = {"around": "bare", "with lines": "around", "traced": "around", "mutual TLS": "around"}
"""What each is compared with beside the yardstick."""
CONNECTIONS, STREAMS = 4, 16


async def _bare(requests: Any, context: Any) -> bytes:  # noqa: ARG001 - both are the same
    await context.read()
    return ANSWER


async def _empty(request: bytes, context: Any) -> bytes:  # noqa: ARG001 - grpc's
    return ANSWER


def _add(_servicer: object, server: Any) -> None:
    server.add_registered_method_handlers(SERVICE, {"Call": grpc.unary_unary_rpc_method_handler(_empty)})


async def serve(kind: str, address: str, data: Path) -> None:
    """Serve until the process is ended."""
    if kind == "bare":
        plain, (host, _, port) = ServerConfig(), address.rpartition(":")
        handler: Handler = grpc.stream_unary_rpc_method_handler(_bare)
        server, _ = listening.open_fast_port(
            {METHOD: handler}, handler, Address(host, int(port)), "", config=plain, limit=1 << 20, certificates=None
        )
        await server.start()
        await server.wait_for_termination()
    listener = Listener(address=address, setting="bench.listen", faces=[Face(_add, None)], fast=True)
    grants = Grants.of(SERVICE, {"Call": Grant.to(Role.SERVICE, does=MethodClass.DECIDE)})
    service = Service(name="bench", listeners=[listener], grants=grants)
    config = _config(kind, data)
    configure(config.log)
    await Server(config, clock=SystemClock(), new_id=random_ids).add(service).run()


def _config(kind: str, data: Path) -> ServerConfig:
    lines = CallLog.ALL if kind == "with lines" else CallLog.FAILED
    settings: dict[str, Any] = {
        "log": LogConfig(calls=lines, format=LogFormat.JSON),
        "quotas": QuotasConfig(decide_per_second=1_000_000, decide_burst=1_000_000),
        "tracing": TracingConfig(endpoint="http://127.0.0.1:1" if kind == "traced" else ""),
    }
    if kind != "mutual TLS":
        return ServerConfig(dev=True, data=data, **settings)
    folder = data / "certificates"
    tls = TlsConfig(cert_file=folder / "pdp.pem", key_file=folder / "pdp.key", client_ca_file=folder / "ca.pem")
    return ServerConfig(data=data, tls=tls, auth=AuthConfig(certificates=(CALLER,)), **settings)


async def _loaded(kind: str, folder: Path, stack: AsyncExitStack) -> tuple[int, Load]:
    """Start one, and connect to it; return its process and what asks it."""
    address = free_address()
    if kind == "grpc.aio":
        script, arguments = "empty_server.py", [address.rpartition(":")[2]]
    else:
        script, arguments = "fast_transport.py", ["serve", kind, address, str(folder)]
    pid = await stack.enter_async_context(running([sys.executable, str(Path(__file__).parent / script), *arguments]))
    await accepts(address)
    call = Call(method=METHOD, requests=[b""], is_right=ANSWER.__eq__, headers=_headers(kind, folder))
    tls = client_tls(folder / "certificates", "pdp") if kind == "mutual TLS" else None
    load = await Load.open(address, call, connections=CONNECTIONS, streams=STREAMS, tls=tls)
    stack.callback(load.close)
    return pid, load


def _headers(kind: str, folder: Path) -> Sequence[tuple[str, str]]:
    if kind in ("grpc.aio", "bare", "mutual TLS"):
        return ()
    token = ("authorization", f"Bearer {token_path(folder, 'service').read_text().strip()}")
    return (token, TRACE) if kind == "traced" else (token,)


async def measure(rounds: int, seconds: float) -> Mapping[str, Sequence[float]]:
    """Return the CPU seconds a call took in each round, of each kind."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        open_dev_tokens(folder)
        make_certificates(folder)
        async with AsyncExitStack() as stack:
            loads = {kind: await _loaded(kind, folder, stack) for kind in ("grpc.aio", *KINDS)}
            for number in range(rounds + 1):
                for kind, (pid, load) in loads.items():
                    before = cpu_of(pid)
                    answered = await load.run(seconds)
                    # The first one warms up.
                    if number:
                        found.setdefault(kind, []).append((cpu_of(pid) - before) / answered.calls)
    return found


def report(found: Mapping[str, Sequence[float]]) -> None:
    """Print medians, and the medians of the ratios of each round."""
    yardstick = found["grpc.aio"]
    print(f"{'':12}{'us of CPU':>10}{'to grpc.aio':>13}")
    for kind, costs in found.items():
        line = f"{kind:12}{statistics.median(costs) * 1e6:10.1f}{_ratio(costs, yardstick):13.3f}"
        if kind in BEFORE:
            line += f"   {_ratio(costs, found[BEFORE[kind]]):.2f} x {BEFORE[kind]}"
        print(line)


def _ratio(costs: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(costs, others, strict=True))


def main(arguments: Sequence[str]) -> None:
    """Measure, or be one of those that are."""
    if arguments[:1] == ["serve"]:
        kind, address, folder = arguments[1:]
        asyncio.run(serve(kind, address, Path(folder)))
    else:
        rounds = int(arguments[0]) if arguments else 7
        seconds = float(arguments[1]) if len(arguments) > 1 else 1.0
        report(asyncio.run(measure(rounds, seconds)))


if __name__ == "__main__":
    main(sys.argv[1:])
