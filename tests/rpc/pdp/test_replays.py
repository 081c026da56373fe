"""Decisions of the running pdp, decided again from what telemetry was sent."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.config import DecisionLogConfig, Inputs
from ringfence_pdp.replay import Evidence, Outcome, Replayed, is_decision, is_fact, read, replay, what_if
from support.pdp.served import POLICY, ServedPdp, identity, question, served_pdp, stop

ACTIONS = ("read_table", "write_table", "delete_table", "export_table", "policy_change")
TALKATIVE = (
    POLICY
    + b"""\
    - {name: rows, match: {actions: ["export_*"]}, effect: ALLOW, when: "args.rows <= 10.5"}
    - {name: hour, match: {actions: ["export_*"]}, effect: DENY, when: "context.risk > 0.5"}
"""
)


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push(TALKATIVE)
        yield served


def log_of(pdp: ServedPdp) -> tuple[list[bytes], Evidence]:
    """Return what telemetry holds: decisions in order, and the facts beside them."""
    evidence, decisions = Evidence(), []
    for body in pdp.around.telemetry.entries.values():
        entry = read(body)
        assert entry is not None
        if is_fact(entry):
            evidence.take(entry)
        elif is_decision(entry):
            decisions.append(body)
    return decisions, evidence


async def asked(pdp: ServedPdp, count: int) -> list[str]:
    """Ask `count` different things in batches; what needs approval is asked by itself."""
    requests = [
        question(
            action=ACTIONS[number % len(ACTIONS)],
            tool="warehouse.query" if number % 3 == 0 else "",
            labels={"secret": "yes"} if number % 7 == 0 else None,
            arguments={"rows": number / 4, "name": f"ü{number}", "nested": {"list": [1, True, None]}},
            context={"risk": (number % 10) / 10},
            session=f"s-{number}",
        )
        for number in range(count)
    ]
    ids = []
    for start in range(0, count, 250):
        batch = decision_pb2.BatchCheckRequest(requests=requests[start : start + 250])
        ids += [one.response.decision_id for one in (await pdp.decisions().BatchCheck(batch)).results]
    return ids


async def replayed(pdp: ServedPdp, ids: list[str]) -> list[Replayed]:
    for decision_id in ids:
        await pdp.around.telemetry.logged(decision_id)
    decisions, evidence = log_of(pdp)
    wanted = set(ids)
    return [replay(body, evidence) for body in decisions if json.loads(body)["decision_id"] in wanted]


async def test_replay_of_1000_logged_decisions_gives_identical_bytes(pdp: ServedPdp) -> None:
    ids = await asked(pdp, 1_000)
    done = await replayed(pdp, ids)
    assert len(done) == 1_000
    assert {(one.outcome, one.why) for one in done} == {(Outcome.SAME, "")}
    assert {one.before.split()[0] for one in done} == {"ALLOW", "DENY", "REQUIRE_APPROVAL"}


async def test_facts_and_policies_are_replayed_as_they_were_and_not_as_they_are(pdp: ServedPdp) -> None:
    ids = await asked(pdp, 5)
    pdp.around.identity.agents.say(identity(pdp.clock, points=300, ring=3))
    await pdp.knows(lambda answer: answer.facts.identity_revision == 2)
    ids += await asked(pdp, 5)
    await pdp.push(POLICY.replace(b"effect: ALLOW}", b"effect: DENY}"))
    ids += await asked(pdp, 5)
    await pdp.switches().EngageKillSwitch(stop(everything=True))
    ids += await asked(pdp, 5)
    done = await replayed(pdp, ids)
    assert {(one.outcome, one.why) for one in done} == {(Outcome.SAME, "")}
    assert len({one.before for one in done}) >= 4


async def test_a_fact_is_told_once_however_often_it_is_stood_on(pdp: ServedPdp) -> None:
    await replayed(pdp, await asked(pdp, 50))
    entries = [read(body) or {} for body in pdp.around.telemetry.entries.values()]
    facts = [entry["address"] for entry in entries if is_fact(entry)]
    assert sorted(address.partition(":")[0] for address in facts) == ["agent", "bundle", "circumstances", "tool"]


async def test_what_if_says_what_other_policies_would_have_done(pdp: ServedPdp) -> None:
    ids = await asked(pdp, 20)
    for decision_id in ids:
        await pdp.around.telemetry.logged(decision_id)
    decisions, evidence = log_of(pdp)
    strict = compile_files([PolicyFile(path="p.yaml", content=POLICY.replace(b"effect: ALLOW}", b"effect: DENY}"))])
    done = [what_if(body, evidence, strict) for body in decisions if json.loads(body)["decision_id"] in ids]
    changed = {(one.before.split()[0], one.after.split()[0]) for one in done if one.outcome is Outcome.CHANGED}
    assert ("ALLOW", "DENY") in changed


async def test_a_decision_that_was_changed_after_the_fact_shows(pdp: ServedPdp) -> None:
    ids = await asked(pdp, 1)
    body = await pdp.around.telemetry.logged(ids[0])
    _, evidence = log_of(pdp)
    logged = json.loads(body)
    forged = json.dumps({**logged, "effect": "DENY", "reason": "NO_MATCH"}, sort_keys=True, separators=(",", ":"))
    again = replay(forged.encode(), evidence)
    assert again.outcome is Outcome.OTHER
    assert "effect: 'DENY' then, 'ALLOW' now" in again.why or again.before != again.after


async def test_a_fact_that_is_not_what_its_address_says_is_not_believed(pdp: ServedPdp) -> None:
    ids = await asked(pdp, 1)
    body = await pdp.around.telemetry.logged(ids[0])
    _, evidence = log_of(pdp)
    for address, parts in evidence.parts.items():
        if address.startswith("agent:"):
            parts[0] = parts[0].replace('"stored_ring":2', '"stored_ring":0')
    again = replay(body, evidence)
    assert (again.outcome, "is not what its address says" in again.why) == (Outcome.IMPOSSIBLE, True)
    assert replay(body, Evidence()).outcome is Outcome.IMPOSSIBLE


async def test_a_canary_and_a_shadow_are_on_record_and_replay(pdp: ServedPdp) -> None:
    strict = POLICY.replace(b"effect: ALLOW}", b"effect: DENY}")
    files = [bundle_pb2.PolicyFile(path="p.yaml", content=strict)]
    name = (await pdp.bundles().UploadBundle(bundle_pb2.UploadBundleRequest(files=files))).bundle.name
    ids = []
    for mode, percent in ((bundle_pb2.ROLLOUT_MODE_SHADOW, 0), (bundle_pb2.ROLLOUT_MODE_CANARY, 100)):
        asked_ = bundle_pb2.SetRolloutRequest(candidate=name, mode=mode, percent=percent)
        await pdp.bundles().SetRollout(asked_)
        ids.append((await pdp.check()).decision_id)
    shadow, canary = [json.loads(await pdp.around.telemetry.logged(one)) for one in ids]
    assert (shadow["mode"], shadow["effect"], shadow["would"]["effect"]) == ("shadow", "ALLOW", "DENY")
    assert (canary["mode"], canary["effect"], canary["would"]["effect"]) == ("canary", "DENY", "ALLOW")
    assert f"bundles/{canary['bundle_digest']}" == name
    assert {one.outcome for one in await replayed(pdp, ids)} == {Outcome.SAME}


async def test_without_inputs_nothing_that_was_sent_is_logged_and_the_replay_says_so(tmp_path: Path) -> None:
    async with served_pdp(tmp_path, log=DecisionLogConfig(inputs=Inputs.DIGEST)) as pdp:
        await pdp.push(TALKATIVE)
        answer = await pdp.check(arguments={"rows": 3}, context={"risk": 0.1}, labels={"x": "5ecret"})
        done = await replayed(pdp, [answer.decision_id])
        body = await pdp.around.telemetry.logged(answer.decision_id)
    assert b"5ecret" not in body
    assert json.loads(body)["left_out"] == ["arguments", "context", "labels"]
    assert (done[0].outcome, done[0].why) == (Outcome.IMPOSSIBLE, "not in the log: arguments, context, labels")


async def test_what_is_masked_is_told_and_the_answer_still_compared(pdp: ServedPdp) -> None:
    answer = await pdp.check(arguments={"token": "5ecret"})
    done = await replayed(pdp, [answer.decision_id])
    assert (done[0].outcome, done[0].why) == (Outcome.INEXACT, "not in the log: arguments.token")


async def test_allowed_calls_are_logged_at_a_rate_and_denials_always(tmp_path: Path) -> None:
    async with served_pdp(tmp_path, log=DecisionLogConfig(allow_rate=0.0)) as pdp:
        await pdp.push()
        allowed = await pdp.check()
        denied = await pdp.check(action="export_table")
        await pdp.around.telemetry.logged(denied.decision_id)
    assert allowed.decision_id not in pdp.around.telemetry.entries


async def test_a_question_too_long_for_the_log_is_logged_without_what_was_sent(pdp: ServedPdp) -> None:
    answer = await pdp.check(arguments={"text": "x" * 40_000}, context={"text": "y" * 40_000})
    body = await pdp.around.telemetry.logged(answer.decision_id)
    assert len(body) < 65_536
    assert json.loads(body)["left_out"] == ["arguments", "context", "labels"]
