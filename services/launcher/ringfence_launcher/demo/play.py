"""The closed loop, act by act: what is done, what must come of it, and that it did.

Every number expected here follows from the product's rules (services/identity/README.md, Trust), not from a recording:
evidence is capped at 20 points an hour and 60 a day, a promotion waits a week after a penalty, idleness halves what was
earned every 14 days, a revocation reaches the pdp within a second.
"""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ringfence.channel import ChannelOptions, open_channel
from ringfence.pdp.v1 import decision_pb2
from ringfence.proofs.log_export_report import TrustedKey
from ringfence.registry.v1 import registry_pb2, tool_pb2
from ringfence_kit.clock import DAY, HOUR, Millis
from ringfence_kit.trust_decay import BASELINE, score_at

from ringfence_launcher.audit.exports import export_log, judge_export
from ringfence_launcher.audit.log_reader import LogReader
from ringfence_launcher.audit.served_logs import DecisionLog
from ringfence_launcher.demo import actors
from ringfence_launcher.demo.actors import Agent
from ringfence_launcher.demo.mesh import DemoMesh
from ringfence_launcher.demo.spans import INPUT_TOKENS, OUTPUT_TOKENS
from ringfence_launcher.demo.story import Step, Story, Surprise
from ringfence_launcher.trust_state import trust_state
from ringfence_launcher.views.decisions import decision_line
from ringfence_launcher.words import instant

HOUR_CAP, DAY_CAP = 20, 60
PROMOTED_FROM = 425
"""The threshold of ring 2, and the margin a promotion needs."""
IDLE_DAYS = 14
REVOKED_WITHIN = 1.0
"""Seconds on the wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """The policy the demo is played with."""

    path: str
    content: bytes


async def play(mesh: DemoMesh, story: Story, policy: PolicyFile) -> None:
    """Play everything; ExpectationFailed names the step that did not come out."""
    analyst, courier = await birth(mesh, story)
    denied = await first_decisions(mesh, story, policy, analyst)
    await what_it_used(mesh, story, analyst)
    await climb(mesh, story, analyst)
    await decay(mesh, story, analyst)
    await revocation(mesh, story, analyst)
    await kill_switch(mesh, story, courier)
    await evidence(mesh, story, denied)


async def birth(mesh: DemoMesh, story: Story) -> tuple[Agent, Agent]:
    """Register, name who answers, enrol."""
    async with story.step("Register the tools they may use, from their files", expected="both enabled") as step:
        for tool_id in actors.TOOLS:
            tool = await actors.register_tool(mesh, tool_id)
            step.require(tool.state == tool_pb2.SWITCH_STATE_ENABLED, f"{tool.name} is not enabled")
            step.saw(f"{tool.name}: schema {tool.schema_hash[:19]}…")
    async with story.step("Register two agents from their card files", expected="both active in the registry") as step:
        for agent_id in ("analyst", "courier"):
            registered = await actors.register(mesh, agent_id)
            step.require(registered.state == registry_pb2.AGENT_STATE_ACTIVE, f"{registered.name} is not active")
            card = registered.card
            versions = ", ".join(card.protocol_versions)
            step.saw(f"{registered.name}: {card.display_name} {card.version}, A2A {versions}")
    async with story.step("Register two people who answer for them", expected="two sponsors") as step:
        step.saw(", ".join([await actors.register_sponsor(mesh, sponsor) for sponsor in ("first", "second")]))
    expected = f"a DID each, score {BASELINE}, ring 3: nobody is trusted for being new"
    async with story.step("Enrol them: each makes its key and proves that it holds it", expected=expected) as step:
        enrolled = [await actors.enrol(mesh, agent_id) for agent_id in ("analyst", "courier")]
        for agent in enrolled:
            now = await actors.trust(mesh, agent)
            step.require((now.score, now.ring) == (BASELINE, 3), f"score {now.score}, ring {now.ring}")
            step.saw(f"{agent.name}: {agent.did[:24]}…")
    return enrolled[0], enrolled[1]


async def first_decisions(mesh: DemoMesh, story: Story, policy: PolicyFile, analyst: Agent) -> str:
    """Push a policy; read, and fail to write. Returns the id of the denial."""
    async with story.step(f"Push the policy {policy.path}", expected="compiled and active, whole") as step:
        bundle = await actors.push_policy(mesh, policy.path, policy.content)
        step.saw(f"{bundle.policy_count} policy, {bundle.rule_count} rules, {bundle.digest[:19]}…")
    async with story.step("The analyst reads", expected="ALLOW: a rule allows it, and ring 3 may read") as step:
        answer = await actors.check(mesh, analyst, "read_table", "warehouse.query")
        _require(step, answer, decision_pb2.DECISION_REASON_ALLOWED)
    expected = "DENY RING_INSUFFICIENT: the policy allows it, the ring does not"
    async with story.step("The analyst writes", expected=expected) as step:
        answer = await actors.check(mesh, analyst, "write_table", "warehouse.update")
        _require(step, answer, decision_pb2.DECISION_REASON_RING_INSUFFICIENT)
    return answer.decision_id


async def what_it_used(mesh: DemoMesh, story: Story, analyst: Agent) -> None:
    """Spans in by OTLP, usage out."""
    expected = f"exactly {INPUT_TOKENS} tokens in and {OUTPUT_TOKENS} out, though a wrapper span repeats them"
    async with story.step("The analyst's spans come in over OTLP", expected=expected) as step:
        await actors.export_spans(mesh, analyst)
        row = await actors.usage(mesh, analyst)
        used = (row.input_tokens, row.output_tokens)
        step.require(used == (INPUT_TOKENS, OUTPUT_TOKENS), f"{used[0]} in, {used[1]} out")
        step.saw(f"{used[0]} in, {used[1]} out, {row.tool_call_count} tool call, {row.span_count} spans")


async def climb(mesh: DemoMesh, story: Story, analyst: Agent) -> None:
    """Earn trust from those who use its work, under the caps, until it may write."""
    async with story.step("Asking for what it may not do has cost it", expected=f"a score below {BASELINE}") as step:

        async def penalised() -> bool:
            return (await actors.trust(mesh, analyst)).score < BASELINE

        await actors.until(penalised)
        before = await actors.trust(mesh, analyst)
        step.saw(f"score {before.score}")
    expected = f"at most {HOUR_CAP} points in an hour, though it is worth {12 * 10 * 2}"
    async with story.step("Twelve people accept ten pieces of work each", expected=expected) as step:
        await _accepted(mesh, analyst, step, "hour 1", people=range(12), works=10, at_most=HOUR_CAP)
    expected = f"at most {DAY_CAP} points in a day, from however many people"
    async with story.step("Others do, in each of the next four hours", expected=expected) as step:
        for hour in range(2, 6):
            mesh.pass_time(Millis(HOUR))
            people = range(12 * hour, 12 * hour + 4)
            await _accepted(mesh, analyst, step, f"hour {hour}", people=people, works=5, at_most=HOUR_CAP)
        after = await actors.trust(mesh, analyst)
        step.require(after.score - before.score <= DAY_CAP, f"{after.score - before.score} points")
    story.remark("Time is injected: the next eight days pass in a moment.")
    expected = "the score climbs past 400; the ring does not change within a week of the denial"
    async with story.step("Two people accept five pieces of work each, every day", expected=expected) as step:
        for day in range(2, 8):
            mesh.pass_time(Millis(DAY))
            await _accepted(mesh, analyst, step, f"day {day}", people=range(2), works=5, at_most=HOUR_CAP)
        early = await actors.trust(mesh, analyst)
        step.require(early.score >= PROMOTED_FROM and early.ring == 3, f"score {early.score}, ring {early.ring}")
    expected = f"ring 2: the week is over, and the score is {PROMOTED_FROM} or more"
    async with story.step("They do once more on day 8", expected=expected) as step:
        mesh.pass_time(Millis(DAY))
        await _accepted(mesh, analyst, step, "day 8", people=range(2), works=5, at_most=HOUR_CAP)
        promoted = await actors.trust(mesh, analyst)
        step.require(promoted.ring == 2, f"score {promoted.score}, ring {promoted.ring}")
    async with story.step(
        "The analyst writes", expected="ALLOW: the same question, the same policy, more trust"
    ) as step:
        answer = await actors.check(mesh, analyst, "write_table", "warehouse.update")
        _require(step, answer, decision_pb2.DECISION_REASON_ALLOWED)


async def decay(mesh: DemoMesh, story: Story, analyst: Agent) -> None:
    """Let it idle, and see trust fade by the formula."""
    story.remark(f"Nothing happens for {IDLE_DAYS} days.")
    expected = "what was earned halves every 14 days, after one of grace, to the point; ring 3 again"
    async with story.step("Trust that is not renewed fades", expected=expected) as step:
        before = await actors.trust(mesh, analyst)
        mesh.pass_time(Millis(IDLE_DAYS * DAY))
        after = await actors.trust(mesh, analyst)
        predicted = score_at(trust_state(before.state), instant(after.compute_time))
        step.require(after.score == predicted, f"score {after.score}, the formula says {predicted}")
        step.require(after.ring == 3, f"score {after.score}, ring {after.ring}")
        step.saw(f"score {before.score} → {after.score}, ring {before.ring} → {after.ring}")
    async with story.step("The analyst writes", expected="DENY RING_INSUFFICIENT again") as step:
        answer = await actors.check(mesh, analyst, "write_table", "warehouse.update")
        _require(step, answer, decision_pb2.DECISION_REASON_RING_INSUFFICIENT)


async def revocation(mesh: DemoMesh, story: Story, analyst: Agent) -> None:
    """Revoke, and measure how long the pdp takes to know."""
    async with story.step("The analyst reads", expected="ALLOW: whatever its score, ring 3 may read") as step:
        answer = await actors.check(mesh, analyst, "read_table", "warehouse.query")
        _require(step, answer, decision_pb2.DECISION_REASON_ALLOWED)
    expected = f"DENY AGENT_REVOKED within {REVOKED_WITHIN:g} s on the wall clock"
    async with story.step("Its identity is revoked", expected=expected) as step:
        begun = time.monotonic()
        await actors.revoke(mesh, analyst, "the demo is nearly over")

        async def denied() -> bool:
            nonlocal answer
            answer = await actors.read_at_once(mesh, analyst)
            return answer.effect == decision_pb2.EFFECT_DENY

        await actors.until(denied)
        took = time.monotonic() - begun
        _require(step, answer, decision_pb2.DECISION_REASON_AGENT_REVOKED)
        step.require(took <= REVOKED_WITHIN, f"{took:.3f} s")
        step.saw(f"{took * 1_000:.0f} ms after Revoke was called")


async def kill_switch(mesh: DemoMesh, story: Story, courier: Agent) -> None:
    """Stop an agent, and let it go."""
    async with story.step("The kill switch stops the courier", expected="ALLOW before, DENY KILLED after") as step:
        answer = await actors.check(mesh, courier, "read_table", "warehouse.query")
        _require(step, answer, decision_pb2.DECISION_REASON_ALLOWED)
        switch = await actors.engage(mesh, courier, "somebody pressed the button")
        answer = await actors.read_at_once(mesh, courier)
        _require(step, answer, decision_pb2.DECISION_REASON_KILLED)
    async with story.step("The kill switch is released", expected="ALLOW") as step:
        await actors.release(mesh, switch, "it was a demonstration")
        answer = await actors.read_at_once(mesh, courier)
        _require(step, answer, decision_pb2.DECISION_REASON_ALLOWED)


async def evidence(mesh: DemoMesh, story: Story, decision_id: str) -> None:
    """Prove the first denial, and catch a tampered export. Whoever verifies reads over a channel of its own."""
    expected = "an inclusion proof that leads to the signed checkpoint, verified here and not there"
    async with story.step("Prove the first denial", expected=expected) as step:
        await actors.until(lambda: actors.is_logged(mesh, decision_id))
        step.saw(await asyncio.to_thread(_prove, mesh, decision_id))
    expected = "the export holds; with one word of one entry changed, that entry is named"
    async with story.step("Export the log, and tamper with it", expected=expected) as step:
        await asyncio.to_thread(_tamper, mesh, step, decision_id)


async def _accepted(
    mesh: DemoMesh, agent: Agent, step: Step, when: str, *, people: range, works: int, at_most: int
) -> None:
    """Let people accept work, and hold what it gained against the cap."""
    before = await actors.trust(mesh, agent)
    after = await actors.accept_work(mesh, agent, people=people, works=works)
    gained = after.score - before.score
    step.require(0 <= gained <= at_most, f"{gained} points in {when}")
    step.saw(f"{when}: {len(people) * works} accepted, {gained:+} points, score {after.score}, ring {after.ring}")


def _prove(mesh: DemoMesh, decision_id: str) -> str:
    with _log_reader(mesh) as reader:
        proven = reader.prove(decision_id)
    return f"entry {proven.entry.index} of {proven.under.checkpoint.size}, by {len(proven.path)} hashes"


def _tamper(mesh: DemoMesh, step: Step, decision_id: str) -> None:
    file = mesh.folder / "export.jsonl"
    with _log_reader(mesh) as reader:
        newest = export_log(reader, file)
    trusted = [TrustedKey(newest.key)]
    report = judge_export(file, trusted)
    step.require(report.ok, f"the untouched export does not hold: {report.findings}")
    step.saw(f"untouched: {report.proven} entries hold")
    index = _turn_denial_into_permission(file, decision_id)
    findings = judge_export(file, trusted).findings
    named = [found for found in findings if found.first_index == index]
    step.require(bool(named), f"entry {index} is not named: {findings}")
    step.saw(f"tampered: {named[0].detail}")


def _turn_denial_into_permission(file: Path, decision_id: str) -> int:
    """Change the logged effect of one decision in an export, and return the entry's index."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        body = base64.b64decode(line.get("body", ""))
        if decision_id.encode() in body:
            line["body"] = base64.b64encode(body.replace(b'"DENY"', b'"ALLOW"')).decode()
            file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
            return int(line["index"])
    raise Surprise(f"decision {decision_id} is not in the export")


@contextmanager
def _log_reader(mesh: DemoMesh) -> Iterator[LogReader]:
    """Open a reader for a thread of its own."""
    address, options = mesh.addresses["telemetry.listen"], ChannelOptions(token=mesh.token("operator"))
    with open_channel(address, options) as channel:
        yield LogReader(DecisionLog(channel), data=mesh.folder, where=address, pinned="")


def _require(step: Step, answer: decision_pb2.CheckResponse, reason: decision_pb2.DecisionReason.ValueType) -> None:
    """Go on only if the decision has this reason."""
    step.require(answer.reason == reason, decision_line(answer))
    step.saw(decision_line(answer))
