"""One question, asked on either port, alone, in a batch, on a stream, to explain, and decided without the pdp on its
snapshot: the same answer, byte for byte."""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from ringfence.errors import RingfenceError
from ringfence.local_pdp import DecidedElsewhere, LocalPdp
from ringfence.pdp.v1 import decision_pb2
from ringfence.registry.v1 import boundary_pb2, tool_pb2
from support.pdp.embedded import local_pdp
from support.pdp.served import ANALYST, ANALYST_DID, POLICY, agent, identity, question, served_pdp

if TYPE_CHECKING:
    from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceAsyncStub

BOUNDARY = "namespaces/data/boundaries/clerks"
ENABLED = tool_pb2.SWITCH_STATE_ENABLED
PORTS = ("pdp.listen", "pdp.fast_listen")
QUESTIONS = 150
CLERK = "namespaces/data/agents/clerk"
CLERK_DID = "did:webvh:QmClerk:dev.id.ringfence.internal:agents:QmClerk"
OWN = ("decision_id", "approval", "cache", "limits")
"""What belongs to one asking: its id, whom it waits for, and what is counted."""


OBLIGING = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - name: read
      match: {actions: ["read_*", "write_*"]}
      effect: ALLOW
      obligations: [{type: redact, id: pii, properties: {fields: [email]}}]
    - {name: deep, match: {actions: ["*"]}, effect: DENY, when: "args.deep[1].a == 1", reason: DEEP}
    - {name: trusted, match: {actions: ["drop"]}, effect: ALLOW, when: "agent.trust > 400"}
    - name: delete
      match: {actions: ["delete_*"]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 1, approvers: ["group:oncall"], timeout: 30m}
"""


def random_question(dice: random.Random) -> decision_pb2.CheckRequest:
    """Return a question, sound or not, of the analyst or of nobody."""
    fields: dict[str, Any] = {
        "name": dice.choice([ANALYST, ANALYST, ANALYST, "namespaces/data/agents/nobody", "no name"]),
        "did": dice.choice(["", "", ANALYST_DID, "did:web:other.example"]),
        "action": dice.choice(["read_table", "write_table", "delete_table", "drop", "", "read_" + "x" * 40]),
        "tool": dice.choice(["", "", "warehouse.query", "warehouse.export", "nothing"]),
        "labels": dice.choice([{}, {"secret": "yes"}, {"owner": "möbius"}]),
        "arguments": dice.choice([None, {"sql": "select 1"}, {"n": 3.5, "deep": [1, {"a": None}]}]),
        "context": dice.choice([None, {"reason": "because"}]),
        "environment": dice.choice(["dev", "dev", "dev", "prod", ""]),
        "target": dice.choice([None] * 5 + [decision_pb2.Subject(agent=CLERK), decision_pb2.Subject(did=CLERK_DID)]),
        "supported_obligations": dice.choice([[], ["redact"], ["redact", "degrade"]]),
        "chain": dice.choice([[]] * 6 + [[CLERK], [CLERK, ANALYST]]),
    }
    return question(**fields)


def said(answer: decision_pb2.CheckResponse) -> bytes:
    """Return what an answer says, but for what belongs to the asking."""
    bare = decision_pb2.CheckResponse()
    bare.CopyFrom(answer)
    for field in OWN:
        bare.ClearField(field)  # type: ignore[arg-type] # names of its fields, each
    return b"answer " + bare.SerializeToString(deterministic=True)


def refused(code: int, message: str) -> bytes:
    """Return what a refusal says, but for where in its own request each door finds what is wrong."""
    return f"refused {code} {message.replace('request.', '')}".encode()


async def alone(stub: "DecisionServiceAsyncStub", asked: decision_pb2.CheckRequest) -> bytes:
    try:
        return said(await stub.Check(asked))
    except grpc.aio.AioRpcError as error:
        return refused(error.code().value[0], error.details() or "")


async def explained(stub: "DecisionServiceAsyncStub", asked: decision_pb2.CheckRequest) -> bytes:
    try:
        return said((await stub.Explain(decision_pb2.ExplainRequest(request=asked))).response)
    except grpc.aio.AioRpcError as error:
        return refused(error.code().value[0], error.details() or "")


def embedded(pdp: LocalPdp, asked: decision_pb2.CheckRequest) -> bytes | None:
    """Return what is decided on a snapshot; None for what only the pdp can decide."""
    try:
        return said(pdp.check(asked))
    except RingfenceError as error:
        return refused(error.code.value[0], error.message)
    except DecidedElsewhere:
        return None


async def embedded_or_asked(pdp: LocalPdp, asked: decision_pb2.CheckRequest) -> bytes:
    try:
        return said(await pdp.check_or_ask(asked))
    except RingfenceError as error:
        return refused(error.code.value[0], error.message)


def of_result(result: Any) -> bytes:
    if result.WhichOneof("result") == "response":
        return said(result.response)
    error: Status = result.error
    return refused(error.code, error.message)


async def streamed(stub: "DecisionServiceAsyncStub", asked: list[decision_pb2.CheckRequest]) -> list[bytes]:
    stream = stub.CheckStream()
    found: dict[int, bytes] = {}
    for number, each in enumerate(asked, start=1):
        await stream.write(decision_pb2.CheckStreamRequest(id=number, request=each))
    while len(found) < len(asked):
        message: Any = await stream.read()
        if message.WhichOneof("message") == "answer":
            found[message.answer.id] = of_result(message.answer)
    stream.cancel()
    return [found[number] for number in range(1, len(asked) + 1)]


@pytest.mark.parametrize("policy", [POLICY, OBLIGING], ids=["few rules", "obligations"])
async def test_the_same_answer_through_every_door(tmp_path: Path, policy: bytes) -> None:
    dice = random.Random(7)
    asked = [random_question(dice) for _ in range(QUESTIONS)]
    async with served_pdp(tmp_path) as pdp:
        around = pdp.around
        around.identity.agents.say(identity(pdp.clock, agent=CLERK, did=CLERK_DID))
        around.registry.agents.say(agent(name=CLERK))
        around.registry.boundaries.say(boundary_pb2.Boundary(name=BOUNDARY, agents=[CLERK], state=ENABLED))
        await pdp.push(policy)
        await pdp.knows(lambda answer: answer.facts.registry_revision >= around.registry.agents.revision)
        told: dict[str, list[bytes]] = {}
        for port in PORTS:
            stub = pdp.decisions(port=port)
            told[f"{port} alone"] = [await alone(stub, each) for each in asked]
            batch = await stub.BatchCheck(decision_pb2.BatchCheckRequest(requests=asked))
            told[f"{port} batch"] = [of_result(each) for each in batch.results]
            told[f"{port} stream"] = await streamed(stub, asked)
            told[f"{port} explain"] = [await explained(stub, each) for each in asked]
        async with local_pdp(pdp, tmp_path / "gateway") as local:
            told["embedded, or asked"] = [await embedded_or_asked(local, each) for each in asked]
            alone_here = [embedded(local, each) for each in asked]
    plain = told[f"{PORTS[0]} alone"]
    told["embedded"] = [there if here is None else here for there, here in zip(plain, alone_here, strict=True)]
    asks_people = [each.action.name.startswith("delete_") for each in asked]
    assert 0 < alone_here.count(None) <= sum(asks_people)
    assert len({each.split(b" ", 1)[0] for each in plain}) == 2
    assert len(set(plain)) > 10
    for door, answers in told.items():
        differing = [number for number, (one, other) in enumerate(zip(plain, answers, strict=True)) if one != other]
        assert not differing, (door, asked[differing[0]], plain[differing[0]], answers[differing[0]])
