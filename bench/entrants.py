"""Who takes turns on the stage: for each series of rows 1 to 11, 16, 17 and 21, how its contender enters.

Ours has everything on: callers are authenticated, every decision goes to the audit log of a telemetry process and is
waited for there, metrics are counted. Cerbos has audit and telemetry off.

A new row of this kind is one function here, one line in `ENTRANTS`, and its figure in `targets.py`.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence

import decide
import peer_verification
import questions
from cerbos_process import BATCH
from cerbos_process import METHOD as CHECK_RESOURCES
from contenders import Contender, Embedded, InProcess, Remembering, Served, Waited
from empty_server import ANSWER
from empty_server import METHOD as EMPTY
from grpc_load import Call, LoadError, client_tls
from pdp_process import PdpProcess
from registry_corpus import NAMESPACES
from ringfence.registry.v1 import registry_pb2
from ringfence_pdp.compile import compile_files
from stage import Plan, Stage

STREAM_WINDOW = 64
"""Questions under way on each stream."""

LOOKS_EVERY_S, UPLOADED_S = 0.05, 60.0
UNSAMPLED = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
DECIDE = "/ringfence.pdp.v1.DecisionService/"
EXT_AUTHZ = "/envoy.service.auth.v3.Authorization/Check"
GET_AGENT = "/ringfence.registry.v1.RegistryService/GetAgent"

Entrance = Callable[[str, Stage, Plan], Awaitable[Contender]]
"""Given the series' name, starts what it needs and returns its contender."""


async def empty(name: str, stage: Stage, _: Plan) -> Contender:
    server = await stage.empty()
    call = Call(method=EMPTY, requests=[b""], is_right=lambda body: body == ANSWER)
    return Served(name=name, pid=server.pid, load=await stage.connected(server.address, call))


def check_of(pdp: PdpProcess, *headers: tuple[str, str]) -> Call:
    """Return a call of Check."""
    sent = (*pdp.credential, *headers)
    return Call(method=f"{DECIDE}Check", requests=questions.checks(), is_right=questions.allowed, headers=sent)


def batch_of(pdp: PdpProcess) -> Call:
    """Return a call of BatchCheck."""
    return Call(
        method=f"{DECIDE}BatchCheck",
        requests=questions.batches(),
        is_right=questions.all_allowed,
        checks=questions.BATCHED,
        headers=pdp.credential,
    )


async def decided(name: str, stage: Stage, pdp: PdpProcess, address: str, call: Call) -> Contender:
    """Return a pdp under a kind of call."""
    streams = STREAM_WINDOW if call.streamed else 16
    certificates = pdp.service.certificates
    tls = None if certificates is None else client_tls(certificates, who="registry")
    load = await stage.connected(address, call, streams=streams, tls=tls)
    return Served(name=name, pid=pdp.service.pid, load=load, checks=call.checks, settled=pdp.has_told_its_log)


async def standard(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.pdp()
    return await decided(name, stage, pdp, pdp.service.address, check_of(pdp))


async def fast(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.pdp()
    return await decided(name, stage, pdp, pdp.service.fast, check_of(pdp))


async def fast_stream(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.pdp()
    call = Call(
        method=f"{DECIDE}CheckStream",
        requests=questions.streamed(),
        is_right=questions.stream_allowed,
        headers=pdp.credential,
        streamed=True,
    )
    return await decided(name, stage, pdp, pdp.service.fast, call)


async def standard_batch(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.pdp()
    return await decided(name, stage, pdp, pdp.service.address, batch_of(pdp))


async def fast_batch(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.pdp()
    return await decided(name, stage, pdp, pdp.service.fast, batch_of(pdp))


async def fast_alone(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.pdp()
    load = await stage.connected(pdp.service.fast, check_of(pdp), connections=1, streams=1)
    return Waited(name=name, load=load, settled=pdp.has_told_its_log)


async def ext_authz(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.pdp()
    asked = questions.envoys((await stage.mesh()).did)
    call = Call(method=EXT_AUTHZ, requests=asked, is_right=questions.passed, headers=pdp.credential)
    return await decided(name, stage, pdp, pdp.service.fast, call)


async def behind_envoy(name: str, stage: Stage, _: Plan) -> Contender:
    """Let Envoy ask: it is called as the empty handler, and what the pdp takes is counted."""
    envoy, pdp = await stage.envoy(), await stage.pdp()
    call = Call(method=EMPTY, requests=[b""], is_right=lambda body: body == ANSWER, verb="GET")
    load = await stage.connected(envoy.address, call)
    return Served(name=name, pid=pdp.service.pid, load=load, settled=pdp.has_told_its_log)


async def mtls(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.secured_pdp()
    return await decided(name, stage, pdp, pdp.service.fast, check_of(pdp))


async def unsampled(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.traced_pdp()
    return await decided(name, stage, pdp, pdp.service.fast, check_of(pdp, UNSAMPLED))


async def two_workers(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.pdp_of_two()
    return await decided(name, stage, pdp, pdp.service.fast, check_of(pdp))


async def memory(name: str, stage: Stage, _: Plan) -> Contender:
    return Remembering(name=name, pid=(await stage.pdp()).service.pid)


async def cerbos(name: str, stage: Stage, _: Plan) -> Contender:
    server = await stage.cerbos()
    call = Call(method=CHECK_RESOURCES, requests=server.singles, is_right=server.allows(1))
    return Served(name=name, pid=server.pid, load=await stage.connected(server.address, call))


async def cerbos_batch(name: str, stage: Stage, _: Plan) -> Contender:
    server = await stage.cerbos()
    call = Call(method=CHECK_RESOURCES, requests=server.batches, is_right=server.allows(BATCH))
    return Served(name=name, pid=server.pid, load=await stage.connected(server.address, call), checks=BATCH)


async def cerbos_alone(name: str, stage: Stage, _: Plan) -> Contender:
    server = await stage.cerbos()
    call = Call(method=CHECK_RESOURCES, requests=server.singles, is_right=server.allows(1))
    return Waited(name=name, load=await stage.connected(server.address, call, connections=1, streams=1))


async def cerbos_memory(name: str, stage: Stage, _: Plan) -> Contender:
    return Remembering(name=name, pid=(await stage.cerbos()).pid)


def decision(rules: int) -> Entrance:
    """Return how a decision over so many rules enters, without a transport."""

    async def entrance(name: str, _: Stage, __: Plan) -> Contender:
        files = decide.bundle_of(rules)
        return InProcess(name=name, line=decide.lines_of(compile_files(files), files)["bytes"])

    return entrance


async def bare_verify(name: str, _: Stage, __: Plan) -> Contender:
    return InProcess(name=name, line=peer_verification.lines()["bare"])


async def peer_verdict(name: str, _: Stage, __: Plan) -> Contender:
    return InProcess(name=name, line=peer_verification.lines()["verdict"])


async def get_agent(name: str, stage: Stage, plan: Plan) -> Contender:
    registry = await stage.registry()
    names = agents(plan.cards)
    known = set(names)
    call = Call(
        method=GET_AGENT,
        requests=[registry_pb2.GetAgentRequest(name=each).SerializeToString() for each in names],
        is_right=lambda body: registry_pb2.GetAgentResponse.FromString(body).agent.name in known,
        headers=registry.credential(),
    )
    return Served(name=name, pid=registry.pid, load=await stage.connected(registry.fast, call))


def agents(cards: int) -> Sequence[str]:
    """Return the names of a thousand agents out of all."""
    numbers = range(0, cards, max(1, cards // questions.QUESTIONS))
    return [f"namespaces/team-{number % NAMESPACES}/agents/agent-{number:06}" for number in numbers]


async def local_pdp(name: str, stage: Stage, _: Plan) -> Contender:
    pdp = await stage.local_pdp()
    asked = itertools.cycle(questions.checks())

    def line() -> None:
        if not questions.allowed(pdp.check_bytes(next(asked))):
            raise LoadError("LocalPdp denied")

    async def uploaded() -> None:
        async with asyncio.timeout(UPLOADED_S):
            while pdp.undelivered:  # noqa: ASYNC110 - it says it to whoever asks
                await asyncio.sleep(LOOKS_EVERY_S)

    return Embedded(name=name, line=line, settled=uploaded)


ENTRANTS: Mapping[str, Entrance] = {
    "decision, 1 rule": decision(1),
    "decision, 1,000 rules": decision(1_000),
    "decision, 10,000 rules": decision(10_000),
    "bare verify": bare_verify,
    "peer verdict": peer_verdict,
    "get agent": get_agent,
    "empty": empty,
    "standard": standard,
    "fast": fast,
    "cerbos": cerbos,
    "fast stream": fast_stream,
    "standard batch": standard_batch,
    "fast batch": fast_batch,
    "cerbos batch": cerbos_batch,
    "fast alone p50": fast_alone,
    "cerbos alone p50": cerbos_alone,
    "ext_authz": ext_authz,
    "ext_authz by Envoy": behind_envoy,
    "mtls": mtls,
    "unsampled": unsampled,
    "two workers": two_workers,
    "local pdp": local_pdp,
    "memory": memory,
    "cerbos memory": cerbos_memory,
}
"""By series, in the order in which they enter and take their turns.

Those whose making keeps this process busy are first: servers hang up on connections whose pings nobody answers.
"""
