"""CheckStream, WatchDecisions and ListAllowedTools over the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from ringfence.identity.v1 import identity_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.registry.v1 import registry_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Millis
from ringfence_kit.errors import WatcherTooSlow
from ringfence_kit.server_config import QuotasConfig
from ringfence_pdp.api.streams import HEARTBEAT, IN_FLIGHT
from ringfence_pdp.decision_watch import WAITING_MAX
from support.pdp.desk import Desk
from support.pdp.served import ANALYST, ANALYST_DID, ServedPdp, agent, identity, question, served_pdp, stop, tool
from support.wire import refusal

GATEWAY = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
UNBOUND = Caller(principal="gateway-2", roles=frozenset({Role.GATEWAY}))
AUDITOR = Caller(principal="audrey", roles=frozenset({Role.AUDITOR}))

TOOLS = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: tools}
spec:
  rules:
    - {name: query, match: {tools: [warehouse.query]}, effect: ALLOW}
    - {name: some, match: {tools: [warehouse.export]}, effect: ALLOW, when: "args.rows < 10"}
    - {name: never, match: {tools: [warehouse.drop]}, effect: DENY}
    - {name: much, match: {tools: [warehouse.query]}, effect: DENY, when: "has(args.rows) && args.rows > 100"}
    - name: rarely
      match: {tools: [warehouse.load]}
      effect: REQUIRE_APPROVAL
      when: "args.rows > 10"
      approval: {min_approvals: 1, approvers: ["group:oncall"], timeout: 30m}
"""


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


class Open:
    """A stream that is open."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def ask(self, number: int, request: pb.CheckRequest | None = None) -> None:
        await self.call.write(pb.CheckStreamRequest(id=number, request=request or question()))

    async def heard(self) -> pb.CheckStreamResponse:
        said: pb.CheckStreamResponse = await asyncio.wait_for(self.call.read(), 10)
        return said

    async def answer(self) -> pb.CheckStreamAnswer:
        while True:
            said = await self.heard()
            if said.HasField("answer"):
                return said.answer


@asynccontextmanager
async def opened(pdp: ServedPdp, caller: Caller = GATEWAY) -> AsyncIterator[Open]:
    stream = Open(pdp.decisions(caller).CheckStream())
    try:
        yield stream
    finally:
        stream.call.cancel()


async def test_a_question_on_a_stream_counts_against_the_quota_as_a_check_does(tmp_path: Path) -> None:
    async with served_pdp(tmp_path, quotas=QuotasConfig(decide_per_second=1, decide_burst=2)) as pdp:
        await pdp.push()
        async with opened(pdp) as stream:
            answers = {}
            for number in (1, 2, 3):
                await stream.ask(number)
                answers[number] = await stream.answer()
            assert [answers[number].HasField("response") for number in (1, 2, 3)] == [True, True, False]
            assert answers[3].error.code == StatusCode.RESOURCE_EXHAUSTED.value[0]
            assert (await refusal(pdp.decisions(GATEWAY).Check(question()))).reason == "QUOTA_EXCEEDED"
            pdp.clock.advance(SECOND)
            await stream.ask(4)
            assert (await stream.answer()).HasField("response")


async def test_a_stream_answers_as_check_does_by_id(pdp: ServedPdp) -> None:
    async with opened(pdp) as stream:
        asked = {7: question(), 3: question(action="write_table"), 9: question(labels={"secret": "yes"})}
        for number, request in asked.items():
            await stream.ask(number, request)
        for _ in asked:
            answer = await stream.answer()
            alone = await pdp.decisions(GATEWAY).Check(asked[answer.id])
            alone.decision_id = answer.response.decision_id
            assert answer.response == alone


async def test_what_cannot_be_asked_gets_its_error_and_the_stream_goes_on(pdp: ServedPdp) -> None:
    async with opened(pdp) as stream:
        await stream.ask(1, question(action="Bad Name"))
        await stream.ask(2, question(name="namespaces/data/agents/other"))
        await stream.ask(0)
        await stream.ask(3)
        answers = [await stream.answer() for _ in range(4)]
        assert [(answer.id, answer.error.code) for answer in answers] == [(1, 3), (2, 7), (0, 3), (3, 0)]


async def test_a_stream_ends_when_nothing_more_is_asked_and_all_is_answered(pdp: ServedPdp) -> None:
    async with opened(pdp) as stream:
        for number in range(1, 4):
            await stream.ask(number)
        await stream.call.done_writing()
        said = [answer.answer.id async for answer in stream.call if answer.HasField("answer")]
        assert sorted(said) == [1, 2, 3]


async def test_a_kill_voids_what_was_answered_before(pdp: ServedPdp) -> None:
    async with opened(pdp) as stream:
        await stream.ask(1)
        before = (await stream.answer()).response
        await pdp.switches().EngageKillSwitch(stop(agent=ANALYST))
        said = await stream.heard()
        assert said.HasField("invalidate")
        assert said.invalidate.epoch > before.epoch
        await stream.ask(2)
        after = (await stream.answer()).response
        assert after.reason == pb.DECISION_REASON_KILLED
        assert after.epoch >= said.invalidate.epoch


async def test_facts_that_change_void_what_was_answered_before(pdp: ServedPdp) -> None:
    async with opened(pdp) as stream:
        await stream.ask(1)
        before = (await stream.answer()).response
        pdp.around.registry.tools.say(tool(state=2))
        said = await stream.heard()
        assert said.invalidate.epoch > before.epoch


async def test_the_server_says_that_it_is_alive(pdp: ServedPdp) -> None:
    async with opened(pdp) as stream:
        await stream.ask(1)
        await stream.answer()
        reading = asyncio.ensure_future(stream.heard())
        while not reading.done():
            pdp.clock.advance(HEARTBEAT)
            await pdp.check()
        assert reading.result().WhichOneof("message") in {"heartbeat", "invalidate"}


async def test_who_does_not_read_is_not_read_either(pdp: ServedPdp) -> None:
    """A reader that stops costs the server no more than the questions in flight; nothing is lost when it reads on."""
    asked = 4 * IN_FLIGHT
    async with opened(pdp) as stream:
        for number in range(1, asked + 1):
            await stream.ask(number)
        answered = [(await stream.answer()).id for _ in range(asked)]
        assert sorted(answered) == list(range(1, asked + 1))


async def test_an_agent_asks_only_about_itself(pdp: ServedPdp) -> None:
    itself = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")
    async with opened(pdp, itself) as stream:
        await stream.ask(1)
        await stream.ask(2, question(name="namespaces/data/agents/other"))
        assert [(await stream.answer()).WhichOneof("result") for _ in range(2)] == ["response", "error"]


# Watching


async def test_decisions_are_told_as_they_are_made(pdp: ServedPdp) -> None:
    call: Any = pdp.decisions(AUDITOR).WatchDecisions(pb.WatchDecisionsRequest(effects=[pb.EFFECT_DENY]))
    assert (await call.read()).HasField("heartbeat")
    await pdp.check()
    denied = await pdp.check(labels={"secret": "yes"})
    told = (await call.read()).decision
    assert (told.decision_id, told.agent, told.did, told.effect) == (
        denied.decision_id,
        ANALYST,
        ANALYST_DID,
        pb.EFFECT_DENY,
    )
    call.cancel()


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [("namespaces/data", True), (ANALYST, True), ("namespaces/dat", False), ("namespaces/data/agents/analys", False)],
)
async def test_a_watch_sees_its_scope_only(pdp: ServedPdp, scope: str, wanted: bool) -> None:
    call: Any = pdp.decisions().WatchDecisions(pb.WatchDecisionsRequest(scope=scope))
    assert (await call.read()).HasField("heartbeat")
    await pdp.check()
    pdp.clock.advance(Millis(5_000))
    assert (await call.read()).HasField("decision") is wanted
    call.cancel()


async def test_a_watch_of_nonsense_is_refused(pdp: ServedPdp) -> None:
    nonsense: Any = 9
    call: Any = pdp.decisions().WatchDecisions(pb.WatchDecisionsRequest(scope="data", effects=[nonsense]))
    refused = await refusal(call.read())
    assert set(refused.violations) == {"scope", "effects[0]"}


async def test_a_gateway_watches_nobody(pdp: ServedPdp) -> None:
    call = pdp.decisions(GATEWAY).WatchDecisions(pb.WatchDecisionsRequest())
    assert (await refusal(call.read())).reason == "NOT_PERMITTED"


# Tools


async def with_tools(pdp: ServedPdp, *names: str) -> None:
    birth = identity_pb2.BirthCertificateContent(
        ring_ceiling=1, approved_tools=[identity_pb2.ApprovedTool(name=name) for name in names]
    )
    pdp.around.identity.agents.say(identity(pdp.clock, birth_certificate=birth))
    pdp.around.registry.agents.say(agent(approved_tools=[registry_pb2.ApprovedTool(name=name) for name in names]))
    for name in names:
        pdp.around.registry.tools.say(tool(name=f"namespaces/data/tools/{name}"))
    await pdp.push(TOOLS)
    listed: Any = None
    while listed is None or len(listed.tools) < len(names):
        listed = await pdp.decisions().ListAllowedTools(asked_tools(show_denied=True))


def asked_tools(**fields: Any) -> pb.ListAllowedToolsRequest:
    return pb.ListAllowedToolsRequest(subject=pb.Subject(agent=ANALYST), environment="dev", **fields)


NAMES = ("warehouse.drop", "warehouse.export", "warehouse.load", "warehouse.query", "warehouse.spare")


async def test_the_most_that_check_would_say_is_listed(pdp: ServedPdp) -> None:
    await with_tools(pdp, *NAMES)
    listed = await pdp.decisions(GATEWAY).ListAllowedTools(asked_tools())
    assert [(one.tool, one.effect, one.depends_on_arguments) for one in listed.tools] == [
        ("warehouse.export", pb.EFFECT_ALLOW, True),
        ("warehouse.load", pb.EFFECT_REQUIRE_APPROVAL, True),
        ("warehouse.query", pb.EFFECT_ALLOW, True),
    ]
    for one in listed.tools:
        answer = await pdp.check(GATEWAY, action=one.tool.rpartition(".")[2], tool=one.tool, arguments={"rows": 5_000})
        assert answer.effect <= one.effect


async def test_what_is_denied_is_shown_to_those_who_may_see_it(pdp: ServedPdp) -> None:
    await with_tools(pdp, *NAMES)
    listed = await pdp.decisions(AUDITOR).ListAllowedTools(asked_tools(show_denied=True))
    told = {one.tool: one.reason for one in listed.tools}
    assert told["warehouse.drop"] == pb.DECISION_REASON_RULE_DENIED
    assert told["warehouse.spare"] == pb.DECISION_REASON_NO_MATCH
    refused = await refusal(pdp.decisions(GATEWAY).ListAllowedTools(asked_tools(show_denied=True)))
    assert refused.reason == "NOT_PERMITTED"


async def test_pages_of_tools_are_the_whole_in_order(pdp: ServedPdp) -> None:
    await with_tools(pdp, *NAMES)
    whole = [one.tool for one in (await pdp.decisions(AUDITOR).ListAllowedTools(asked_tools())).tools]
    token, seen = "", []
    for _ in range(10):
        page = await pdp.decisions(AUDITOR).ListAllowedTools(asked_tools(page_size=1, page_token=token))
        seen += [one.tool for one in page.tools]
        token = page.next_page_token
        if not token:
            break
    assert seen == whole
    foreign = await refusal(pdp.decisions(GATEWAY).ListAllowedTools(asked_tools(page_token="x")))
    assert foreign.reason == "PAGE_TOKEN_INVALID"


async def test_a_killed_agent_has_no_tools_and_a_stranger_learns_nothing(pdp: ServedPdp) -> None:
    await with_tools(pdp, *NAMES)
    await pdp.switches().EngageKillSwitch(stop(agent=ANALYST))
    assert not (await pdp.decisions(GATEWAY).ListAllowedTools(asked_tools())).tools
    assert (await refusal(pdp.decisions(UNBOUND).ListAllowedTools(asked_tools()))).reason == "NOT_PERMITTED"


async def test_a_query_that_is_none_is_refused_by_field(pdp: ServedPdp) -> None:
    request = pb.ListAllowedToolsRequest(environment="Dev", action="Bad")
    refused = await refusal(pdp.decisions().ListAllowedTools(request))
    assert set(refused.violations) == {"subject", "environment", "action"}
    refused = await refusal(pdp.decisions().ListAllowedTools(asked_tools(page_size=-1)))
    assert set(refused.violations) == {"page_size"}


async def test_a_watcher_that_does_not_read_is_closed_and_holds_up_nobody() -> None:
    desk = Desk()
    watching = desk.decisions.watch.watch(lambda _: True)
    assert await anext(watching) is None
    for _ in range(WAITING_MAX + 1):
        desk.check()
    with pytest.raises(WatcherTooSlow):
        await anext(watching)
    assert not desk.decisions.watch.is_on
