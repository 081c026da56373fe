"""What decisions stand on, shipped to whoever decides elsewhere: whole, then every change, and never too old."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from ringfence.identity.v1 import identity_pb2, revocation_pb2
from ringfence.pdp.v1 import bundle_pb2, snapshot_pb2
from ringfence.pdp.v1.snapshot_pb2_grpc import SnapshotServiceStub
from ringfence.registry.v1 import boundary_pb2, tool_pb2
from ringfence.telemetry.v1 import budget_pb2
from ringfence_kit import records
from ringfence_kit.clock import SECOND, ManualClock, Millis
from ringfence_kit.errors import Failure, InvalidRequest, Unavailable, Violation
from ringfence_kit.ids import counting_ids, id_of
from ringfence_pdp.convert.snapshots import take_snapshot
from ringfence_pdp.evidence import AgentFact, BundleFact, address_of, bundle_address, entries, entry_id
from ringfence_pdp.facts import IdentityStatus
from ringfence_pdp.snapshots.following import SnapshotFollower
from ringfence_pdp.snapshots.shipped import FORMAT
from ringfence_telemetry.decision_document import read_decision
from support.pdp.followed import DECIDER, followed
from support.pdp.served import ANALYST, ANALYST_DID, ServedPdp, agent, identity, served_pdp, stop, tool
from support.wire import refusal

if TYPE_CHECKING:
    from ringfence.pdp.v1.snapshot_pb2_grpc import SnapshotServiceAsyncStub

BOUNDARY = "namespaces/data/boundaries/warehouse"
NAMES = counting_ids(prefix=7)


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


def said(id_: str, **members: Any) -> snapshot_pb2.UploadedDecision:
    body = rfc8785.dumps({"decision_id": id_, "version": 1, **members})
    return snapshot_pb2.UploadedDecision(decision_id=id_, body=body)


def decided() -> snapshot_pb2.UploadedDecision:
    return said(NAMES(), type="decision")


def snapshots(pdp: ServedPdp) -> "SnapshotServiceAsyncStub":
    return SnapshotServiceStub(pdp.channel(DECIDER))


async def events(pdp: ServedPdp, **asked: Any) -> AsyncIterator[snapshot_pb2.WatchSnapshotResponse]:
    stream: Any = snapshots(pdp).WatchSnapshot(snapshot_pb2.WatchSnapshotRequest(**asked))
    try:
        async for event in stream:
            yield event
    finally:
        stream.cancel()


async def whole(pdp: ServedPdp) -> list[snapshot_pb2.WatchSnapshotResponse]:
    """Return the events of the state, up to the one that ends it."""
    told: list[snapshot_pb2.WatchSnapshotResponse] = []
    async with aclosing(events(pdp, send_initial_state=True)) as stream:  # type: ignore[type-var] # a generator
        async for event in stream:
            told.append(event)
            if event.initial_state_end:
                break
    return told


def named(events: list[snapshot_pb2.WatchSnapshotResponse]) -> set[tuple[int, str]]:
    return {(record.kind, record.name) for event in events for record in event.records}


async def test_the_state_holds_everything_decisions_stand_on(pdp: ServedPdp) -> None:
    told = await whole(pdp)
    kinds = {kind for kind, _ in named(told)}
    assert {
        snapshot_pb2.SNAPSHOT_KIND_SETTINGS,
        snapshot_pb2.SNAPSHOT_KIND_BUNDLE,
        snapshot_pb2.SNAPSHOT_KIND_ROLLOUT,
        snapshot_pb2.SNAPSHOT_KIND_IDENTITY,
        snapshot_pb2.SNAPSHOT_KIND_AGENT,
        snapshot_pb2.SNAPSHOT_KIND_TOOL,
        snapshot_pb2.SNAPSHOT_KIND_ISSUER,
    } <= kinds
    assert (snapshot_pb2.SNAPSHOT_KIND_IDENTITY, ANALYST_DID) in named(told)
    assert (snapshot_pb2.SNAPSHOT_KIND_AGENT, ANALYST) in named(told)
    assert len({event.revision for event in told}) == 1
    assert told[-2].standing.format == FORMAT


async def test_a_follower_knows_what_the_pdp_knows(pdp: ServedPdp) -> None:
    async with followed(pdp.channel(DECIDER), pdp.clock) as copy:
        follower = copy.follower
        answer = await pdp.check()
        known = follower.facts.by_did[ANALYST_DID]
        assert follower.facts.identity(None, known.name, "dev") is known
        assert follower.facts.registered[ANALYST].owner == "data@example.com"
        assert follower.facts.tools["warehouse.query"].systems_trusted
        assert follower.facts.issuers["dev"].keys
        in_force = follower.policy.current
        assert in_force.compiled is not None
        assert in_force.bundle is not None
        assert in_force.bundle.digest == answer.bundle_digest
        assert in_force.epoch + follower.facts.epoch == answer.epoch
        assert in_force.revision == answer.facts.policy_revision


async def test_every_change_reaches_a_follower(pdp: ServedPdp) -> None:
    async with followed(pdp.channel(DECIDER), pdp.clock) as copy:
        follower, around = copy.follower, pdp.around

        around.identity.agents.say(identity(pdp.clock, status=identity_pb2.IDENTITY_STATUS_SUSPENDED))
        await copy.until(lambda it: it.facts.by_did[ANALYST_DID].status is IdentityStatus.SUSPENDED)

        around.registry.agents.say(agent(team="data"))
        await copy.until(lambda it: it.facts.registered[ANALYST].team == "data")

        around.registry.tools.say(tool(state=tool_pb2.SWITCH_STATE_DISABLED))
        await copy.until(lambda it: not it.facts.tools["warehouse.query"].enabled)

        around.registry.boundaries.say(boundary_pb2.Boundary(name=BOUNDARY, agents=[ANALYST]))
        await copy.until(lambda it: it.facts.boundaries.find(BOUNDARY))

        for kind, subject in (
            (revocation_pb2.REVOCATION_KIND_AGENT, ANALYST_DID),
            (revocation_pb2.REVOCATION_KIND_DELEGATION, "delegations/abc"),
            (revocation_pb2.REVOCATION_KIND_ELEVATION, "elevations/abc"),
            (revocation_pb2.REVOCATION_KIND_ISSUER_KEY, "thumbprint"),
            (revocation_pb2.REVOCATION_KIND_BIRTH_CERTIFICATE, "certificate"),
        ):
            around.identity.revocations.say(
                revocation_pb2.Revocation(kind=kind, subject=subject, minimum_epoch=4, usable=False)
            )
        await copy.until(lambda it: "thumbprint" in it.facts.revocations.issuer_keys)
        assert follower.facts.revocations.agents == {ANALYST_DID: (4, False)}
        assert follower.facts.revocations.delegations == {"delegations/abc"}
        assert follower.facts.revocations.elevations == {"elevations/abc"}

        around.telemetry.budgets.set(
            budget_pb2.Budget(name="budgets/all", scope=budget_pb2.BUDGET_SCOPE_EVERYTHING, hard=True)
        )
        await copy.until(lambda it: it.facts.spending.hard)


async def test_a_kill_switch_reaches_a_follower_and_its_release_does(pdp: ServedPdp) -> None:
    async with followed(pdp.channel(DECIDER), pdp.clock) as copy:
        switch = (await pdp.switches().EngageKillSwitch(stop(tool="warehouse.query"))).kill_switch
        await copy.until(lambda it: [each.name for each in it.policy.current.kill_switches] == [switch.name])
        await pdp.switches().ReleaseKillSwitch(_released(switch.name))
        await copy.until(lambda it: not it.policy.current.kill_switches)


def _released(name: str) -> bundle_pb2.ReleaseKillSwitchRequest:
    return bundle_pb2.ReleaseKillSwitchRequest(name=name, reason="it is well again")


OTHER = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: nothing, match: {actions: ["*"]}, effect: DENY, reason: CLOSED}
"""


async def test_a_bundle_that_is_pushed_decides_at_a_follower(pdp: ServedPdp) -> None:
    async with followed(pdp.channel(DECIDER), pdp.clock) as copy:
        pushed = (await pdp.push(OTHER)).bundle
        await copy.until(lambda it: it.policy.current.bundle.digest == pushed.digest)  # type: ignore[union-attr] # there is one
        compiled = copy.follower.policy.current.compiled
        assert compiled is not None
        assert [rule.id for rule in compiled.rules] == ["house/nothing"]
        epoch = copy.follower.policy.current.epoch + copy.follower.facts.epoch
        assert epoch > (await pdp.check()).epoch - 1


async def test_who_comes_back_goes_on_where_it_was(pdp: ServedPdp) -> None:
    told = await whole(pdp)
    around = pdp.around
    around.registry.agents.say(agent(team="red"))
    around.registry.agents.say(agent(team="blue"))
    await pdp.knows(lambda answer: answer.facts.registry_revision >= around.registry.agents.revision)
    found: list[snapshot_pb2.WatchSnapshotResponse] = []
    async with aclosing(events(pdp, start_revision=told[-1].revision + 1)) as stream:  # type: ignore[type-var] # a generator
        async for event in stream:
            found.append(event)
            if b"blue" in b"".join(record.content for record in event.records):
                break
    assert [event.revision for event in found] == [told[-1].revision + 1 + place for place in range(len(found))]
    assert named(found) == {(snapshot_pb2.SNAPSHOT_KIND_AGENT, ANALYST)}


async def test_revisions_of_others_are_told_apart(pdp: ServedPdp) -> None:
    newest = (await whole(pdp))[-1].revision
    for start, reason in ((1, "REVISION_COMPACTED"), (newest + 1_000, "REVISION_IN_FUTURE")):
        stream: Any = snapshots(pdp).WatchSnapshot(snapshot_pb2.WatchSnapshotRequest(start_revision=start))
        assert (await refusal(stream.read())).reason == reason


@pytest.mark.parametrize("asked", [{}, {"start_revision": -1}, {"start_revision": 3, "send_initial_state": True}])
async def test_where_to_begin_is_said_in_one_way(pdp: ServedPdp, asked: dict[str, Any]) -> None:
    stream: Any = snapshots(pdp).WatchSnapshot(snapshot_pb2.WatchSnapshotRequest(**asked))
    refused = await refusal(stream.read())
    assert (refused.reason, [*refused.violations]) == ("INVALID_REQUEST", ["start_revision"])


async def test_a_quiet_stream_says_how_old_everything_is(pdp: ServedPdp) -> None:
    async with aclosing(events(pdp, send_initial_state=True)) as stream:  # type: ignore[type-var] # a generator
        async for event in stream:
            if event.initial_state_end:
                break
        pdp.clock.advance(Millis(SECOND))
        change, beat = await anext(stream), await anext(stream)
    assert (change.type, beat.type) == (
        snapshot_pb2.SNAPSHOT_EVENT_TYPE_MODIFIED,
        snapshot_pb2.SNAPSHOT_EVENT_TYPE_BOOKMARK,
    )
    assert change.revision == beat.revision
    assert not change.records
    assert change.standing.identity_age.ToMilliseconds() == SECOND


async def test_a_snapshot_that_is_not_confirmed_is_as_good_as_none(pdp: ServedPdp) -> None:
    away = ManualClock(pdp.clock.now())
    async with followed(pdp.channel(DECIDER), away, stale_after=Millis(10 * SECOND)) as copy:
        follower = copy.follower
        away.advance(Millis(9 * SECOND))
        assert follower.identity_age(away.now()) == 9 * SECOND
        assert not follower.is_stale(away.now())
        away.advance(Millis(SECOND))
        assert follower.identity_age(away.now()) is None
        assert follower.is_stale(away.now())
        pdp.clock.advance(Millis(SECOND))
        await copy.until(lambda it: not it.is_stale(away.now()))
        assert follower.identity_age(away.now()) == SECOND


@pytest.mark.parametrize("stale_after", [0, -1, 300_001])
def test_how_old_it_may_be_has_bounds(stale_after: int) -> None:
    with pytest.raises(ValueError, match="a snapshot is believed for"):
        SnapshotFollower(
            lambda: pytest.fail("nobody asked"), take_snapshot, clock=ManualClock(), stale_after=Millis(stale_after)
        )


async def test_what_is_uploaded_is_in_the_audit_log(pdp: ServedPdp) -> None:
    entry = decided()
    await snapshots(pdp).UploadDecisions(snapshot_pb2.UploadDecisionsRequest(entries=[entry]))
    assert await pdp.around.telemetry.logged(entry.decision_id) == entry.body


async def test_who_uploaded_is_in_it_too_and_first(pdp: ServedPdp) -> None:
    entry = decided()
    for _ in range(2):
        await snapshots(pdp).UploadDecisions(snapshot_pb2.UploadDecisionsRequest(entries=[entry]))
    note, first = list(pdp.around.telemetry.entries.items())[-2:]
    assert first == (entry.decision_id, entry.body)
    assert json.loads(note[1]) == {
        "type": "upload",
        "version": 1,
        "decision_id": note[0],
        "uploaded_by": "test:embedding",
        "entries": [entry.decision_id],
    }
    assert read_decision(note[1], decision_id=note[0], path="body") == (None, [])


def of_a_fact(address: str, content: str, part: int = 0) -> snapshot_pb2.UploadedDecision:
    id_, body = entries(address, content)[part]
    return snapshot_pb2.UploadedDecision(decision_id=id_, body=body)


async def test_attack_an_upload_forges_what_is_not_the_uploaders_to_say(pdp: ServedPdp) -> None:
    """A vote of people, and wrong facts in the places of right ones, which keep those out of the log for good."""
    vote_id = id_of(b"approvals/1 APPROVE oidc:ada")
    bundle = (await pdp.bundles().GetBundle(bundle_pb2.GetBundleRequest())).bundle.digest
    fact_id = entry_id(bundle_address(bundle), 0)
    wrong = [
        said(NAMES(), type="approval", event="APPROVE", actor="oidc:ada"),
        said(NAMES(), type="outcome"),
        said(NAMES(), type="upload"),
        said(NAMES(), type=["decision"]),
        said(vote_id, type="decision"),
        said(fact_id, type="decision"),
        said(
            fact_id,
            type="fact",
            address=bundle_address(bundle),
            part=0,
            parts=1,
            content="{}",
        ),
        of_a_fact(bundle_address(bundle), "x" * 10_001),
        of_a_fact("bundle:sha256-" + "0" * 64, "x" * 10_001),
        of_a_fact("agent:sha256-" + "0" * 64, '{"identity":null,"registered":null}'),
        of_a_fact("boundaries:sha256-" + "0" * 64, "x" * 10_001),
        said(NAMES(), type="fact", address="agent:x", part=True, parts=1, content=""),
        said(NAMES(), type="fact", address="agent:x", part=-1, parts=1, content=""),
        snapshot_pb2.UploadedDecision(decision_id=NAMES(), body=b"[]"),
        snapshot_pb2.UploadedDecision(decision_id=NAMES(), body=b"[" * 60_000),
        snapshot_pb2.UploadedDecision(decision_id=NAMES(), body=b"\xff"),
    ]
    before = dict(pdp.around.telemetry.entries)
    request = snapshot_pb2.UploadDecisionsRequest(entries=[decided(), *wrong])
    refused = await refusal(snapshots(pdp).UploadDecisions(request))
    assert refused.reason == "INVALID_REQUEST"
    assert [*refused.violations] == [f"entries[{place}].body" for place in range(1, len(wrong) + 1)]
    assert pdp.around.telemetry.entries == before


async def test_facts_that_are_what_their_address_says_are_taken(pdp: ServedPdp) -> None:
    small = AgentFact(None, None)
    content = records.encode(small).decode()
    bundle = await pdp.bundles().GetBundle(bundle_pb2.GetBundleRequest())
    files = tuple((file.path, file.content.decode()) for file in bundle.files)
    whole = records.encode(BundleFact(files)).decode()
    right = [
        of_a_fact(address_of("agent", content), content),
        of_a_fact(bundle_address(bundle.bundle.digest), whole),
    ]
    await snapshots(pdp).UploadDecisions(snapshot_pb2.UploadDecisionsRequest(entries=right))
    for entry in right:
        assert await pdp.around.telemetry.logged(entry.decision_id) == entry.body


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Unavailable(problem="it is away"), "UNAVAILABLE"),
        (InvalidRequest(Violation("entries[0].body", "is no document")), "INVALID_REQUEST"),
    ],
    ids=["for now", "for good"],
)
async def test_what_telemetry_refuses_is_not_taken(pdp: ServedPdp, failure: Failure, reason: str) -> None:
    pdp.around.telemetry.failure = failure
    entry = decided()
    refused = await refusal(snapshots(pdp).UploadDecisions(snapshot_pb2.UploadDecisionsRequest(entries=[entry])))
    assert refused.reason == reason


async def test_uploads_are_judged_as_a_whole(pdp: ServedPdp) -> None:
    entries = [
        snapshot_pb2.UploadedDecision(decision_id="no id", body=b"{}"),
        snapshot_pb2.UploadedDecision(decision_id=NAMES(), body=b"x" * 65_537),
        snapshot_pb2.UploadedDecision(decision_id=NAMES()),
    ]
    refused = await refusal(snapshots(pdp).UploadDecisions(snapshot_pb2.UploadDecisionsRequest(entries=entries)))
    assert refused.reason == "INVALID_REQUEST"
    assert [*refused.violations] == [
        "entries[0].decision_id",
        "entries[1].body",
        "entries[2].body",
    ]
    many = [snapshot_pb2.UploadedDecision(decision_id=NAMES(), body=b"{}") for _ in range(1_001)]
    for wrong in ([], many):
        refused = await refusal(snapshots(pdp).UploadDecisions(snapshot_pb2.UploadDecisionsRequest(entries=wrong)))
        assert [*refused.violations] == ["entries"]
