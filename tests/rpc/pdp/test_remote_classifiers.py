"""A classifier elsewhere has its say in decisions: stricter, never milder, and its silence is judged."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ringfence.extauthz.v3 import ext_authz_pb2_grpc
from ringfence.pdp.v1 import bundle_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1 import filter_pb2 as filters
from ringfence_pdp.classifiers.config import ClassifierConfig
from support.filters.classifiers import ScriptedClassifier, label, nothing, served_classifier
from support.pdp.gateway import envoy_request, tool_call
from support.pdp.served import ANALYST, ServedPdp, question, served_pdp, stop

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = """\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: house}}
spec:
  rules:
    - {{name: read, match: {{actions: ["read_*"]}}, effect: ALLOW}}
    - {{name: stop, match: {{actions: [read_secrets]}}, effect: DENY}}
  filters:
    - {{name: guard, use: remote, classifier: {name}, on_error: {on_error}}}
"""


@dataclass(frozen=True)
class Guarded:
    """A pdp and the classifier it asks."""

    pdp: ServedPdp
    guard: ScriptedClassifier

    async def push(self, *, on_error: str = "DENY", name: str = "guard") -> None:
        await self.pdp.push(POLICY.format(on_error=on_error, name=name).encode())

    async def check(self, note: str = "the figures of May", **fields: Any) -> pb.CheckResponse:
        return await self.pdp.check(arguments={"note": note}, **fields)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    guard = ScriptedClassifier()
    folder: Path = tmp_path_factory.mktemp("pdp")
    async with served_classifier(guard) as address:
        asked = (
            ClassifierConfig(name="guard", address=address, failures=1_000),
            ClassifierConfig(name="away", address="127.0.0.1:9", failures=1_000),
        )
        async with served_pdp(folder, classifiers=asked) as pdp:
            yield Guarded(pdp, guard)


@pytest_asyncio.fixture(loop_scope="module")
async def guarded(running: Guarded) -> Guarded:
    running.guard.says = nothing
    running.guard.asked.clear()
    await running.push()
    return running


async def test_what_it_finds_denies(guarded: Guarded) -> None:
    guarded.guard.says = label("exfiltration", argument="/note", message="figures leave")
    answer = await guarded.check("figures that nobody else minds")
    assert (answer.effect, answer.reason) == (pb.EFFECT_DENY, pb.DECISION_REASON_CONTENT_DANGEROUS)
    [found] = answer.findings
    assert (found.kind, found.id, found.argument) == (
        filters.FINDING_KIND_REMOTE,
        "remote.guard.exfiltration",
        "/note",
    )
    assert found.action == filters.FILTER_ACTION_DENY
    assert dict(found.frame) == {"peer": "loopback", "model": "example-guard-1"}


@pytest.mark.parametrize(
    ("severity", "effect"),
    [
        (filters.SEVERITY_HIGH, pb.EFFECT_DENY),
        (filters.SEVERITY_MEDIUM, pb.EFFECT_REQUIRE_APPROVAL),
        (filters.SEVERITY_LOW, pb.EFFECT_ALLOW),
    ],
)
async def test_how_bad_it_says_it_is_decides_what_the_policy_makes_of_it(
    guarded: Guarded, severity: int, effect: int
) -> None:
    guarded.guard.says = label(severity=severity)
    answer = await guarded.check(f"a note of severity {severity}")
    assert answer.effect == effect
    assert len(answer.findings) == 1


async def test_nothing_found_leaves_the_answer(guarded: Guarded) -> None:
    answer = await guarded.check("a note that is fine")
    assert (answer.effect, list(answer.findings)) == (pb.EFFECT_ALLOW, [])
    assert [text.text for asked in guarded.guard.asked for text in asked.texts] == ["a note that is fine"]


async def test_what_is_denied_anyway_is_not_asked_about(guarded: Guarded) -> None:
    answer = await guarded.check("a secret note", action="read_secrets")
    assert answer.reason == pb.DECISION_REASON_RULE_DENIED
    assert (await guarded.check("a strange note", action="forget")).reason == pb.DECISION_REASON_NO_MATCH
    assert guarded.guard.asked == []


@pytest.mark.parametrize(
    ("on_error", "effect"),
    [("DENY", pb.EFFECT_DENY), ("REQUIRE_APPROVAL", pb.EFFECT_REQUIRE_APPROVAL), ("FLAG", pb.EFFECT_ALLOW)],
)
@pytest.mark.parametrize("name", ["away", "unheard-of"])
async def test_when_nobody_answers_on_error_holds(guarded: Guarded, name: str, on_error: str, effect: int) -> None:
    await guarded.push(on_error=on_error, name=name)
    answer = await guarded.check(f"a note for {name} {on_error}")
    assert answer.effect == effect
    [found] = answer.findings
    assert (found.kind, found.id) == (filters.FINDING_KIND_FAILURE, f"remote.{name}.failed")
    if effect != pb.EFFECT_ALLOW:
        assert answer.reason == pb.DECISION_REASON_FILTER_FAILED


async def test_nonsense_is_no_answer(guarded: Guarded) -> None:
    guarded.guard.says = label("No Such Shape")
    assert (await guarded.check("a note with nonsense")).reason == pb.DECISION_REASON_FILTER_FAILED


async def test_it_has_its_say_through_envoy_too(guarded: Guarded) -> None:
    guarded.guard.says = label("exfiltration", message="figures leave")
    stub: Any = ext_authz_pb2_grpc.AuthorizationStub(guarded.pdp.channel())
    # A2A and MCP calls alike are decisions underneath; this one is for a tool the agent has.
    answer = await stub.Check(envoy_request(tool_call("query", {"note": "over the fence"}), tool_prefix="warehouse."))
    assert answer.status.code


async def test_the_same_note_is_asked_about_once(guarded: Guarded) -> None:
    for _ in range(3):
        await guarded.check("a note that comes again")
    assert len(guarded.guard.asked) == 1
    told = guarded.pdp.mesh.metrics.registry.get_sample_value
    outcome = {"name": "guard", "outcome": "remembered"}
    remembered = told("ringfence_pdp_classifier_questions_total", outcome)
    assert remembered is not None
    assert remembered >= 2


async def test_a_batch_is_heard_about_item_by_item(guarded: Guarded) -> None:
    guarded.guard.says = label("exfiltration")
    stub: Any = guarded.pdp.decisions()
    note = {"note": "a note of a batch"}
    asked = [question(arguments=note), question(arguments=note, action="read_secrets")]
    results = (await stub.BatchCheck(pb.BatchCheckRequest(requests=asked))).results
    assert [result.response.reason for result in results] == [
        pb.DECISION_REASON_CONTENT_DANGEROUS,
        pb.DECISION_REASON_RULE_DENIED,
    ]


async def test_a_stop_reaches_what_waits_for_it_and_the_rest_of_a_batch(guarded: Guarded) -> None:
    guarded.guard.answers.clear()
    guarded.guard.heard.clear()
    notes = [question(arguments={"note": f"a note while it is stopped {number}"}) for number in range(2)]
    waiting = asyncio.ensure_future(guarded.pdp.decisions().BatchCheck(pb.BatchCheckRequest(requests=notes)))
    await guarded.guard.heard.wait()
    engaged = await guarded.pdp.switches().EngageKillSwitch(stop(agent=ANALYST))
    try:
        guarded.guard.answers.set()
        answered = await waiting
    finally:
        released = bundle_pb2.ReleaseKillSwitchRequest(name=engaged.kill_switch.name, reason="mended")
        await guarded.pdp.switches().ReleaseKillSwitch(released)
    reasons = [result.response.reason for result in answered.results]
    assert reasons == [pb.DECISION_REASON_KILLED] * 2
