"""A follower takes an event whole or not at all, and nothing it cannot read."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from google.protobuf.duration_pb2 import Duration
from ringfence.pdp.v1 import snapshot_pb2 as pb
from ringfence.watch import Change, Changed, StateBegins, StateComplete, Step
from ringfence_kit.clock import ManualClock
from ringfence_kit.records import RecordUnreadable
from ringfence_pdp.chains.issuers import Issuer
from ringfence_pdp.convert.snapshots import standing_from_proto, take_snapshot
from ringfence_pdp.snapshots.following import HEARTBEAT, SnapshotFollower
from ringfence_pdp.snapshots.shipped import (
    FORMAT,
    IssuerRecord,
    Kind,
    KnownIdentity,
    Record,
    issuer_of,
    issuer_record,
    record_of,
)
from ringfence_pdp.snapshots.view import SnapshotView
from support.pdp.mint import Mint
from support.pdp.world import identity, tool


def on_the_wire(record: Record) -> pb.SnapshotRecord:
    return pb.SnapshotRecord(
        kind=pb.SnapshotKind.ValueType(record.kind), name=record.name, content=record.content, gone=record.gone
    )


TOOL = on_the_wire(record_of(Kind.TOOL, "warehouse.query", tool()))


def take(view: SnapshotView, *records: pb.SnapshotRecord, form: int = FORMAT) -> None:
    answer = pb.WatchSnapshotResponse(records=records, standing=pb.SnapshotStanding(format=form))
    take_snapshot(view, Change.MODIFIED, answer)


@pytest.mark.parametrize(
    "unreadable",
    [
        pb.SnapshotRecord(kind=pb.SNAPSHOT_KIND_AGENT, name="x", content=b"{}"),
        pb.SnapshotRecord(kind=pb.SNAPSHOT_KIND_HEALTH, name="x", content=b"no json"),
        pb.SnapshotRecord(kind=pb.SnapshotKind.ValueType(99), name="x", content=b"{}"),
        pb.SnapshotRecord(name="x", content=b"{}"),
        on_the_wire(
            record_of(
                Kind.ISSUER,
                "dev",
                IssuerRecord(environment="dev", name="dev", jwks="{}", registrar="", registrar_keys={"x": b"short"}),
            )
        ),
    ],
    ids=["other fields", "no json", "a kind of a newer release", "no kind", "keys that are none"],
)
def test_what_comes_with_something_unreadable_is_not_taken_either(unreadable: pb.SnapshotRecord) -> None:
    view = SnapshotView()
    with pytest.raises((ValueError, RecordUnreadable)):
        take(view, TOOL, unreadable)
    assert not view.facts.tools
    assert view.standing is None


@pytest.mark.parametrize("form", [0, FORMAT + 1])
def test_another_form_is_not_read(form: int) -> None:
    view = SnapshotView()
    with pytest.raises(ValueError, match="the pdp tells in form"):
        take(view, TOOL, form=form)
    assert not view.facts.tools


def test_an_issuer_is_believed_for_the_same_keys() -> None:
    mint = Mint("dev")
    there: Issuer = mint.issuer
    here = issuer_of(issuer_record(there))
    assert here.signs_as(there)
    assert here.keys.keys() == there.keys.keys()


def test_of_several_with_one_name_the_one_that_is_meant_is() -> None:
    view = SnapshotView()
    one = identity()
    other = identity(environment="prod", ring=1)
    take(view, on_the_wire(record_of(Kind.IDENTITY, one.did, KnownIdentity(identity=one, named=False))))
    assert view.facts.by_did == {one.did: one}
    assert not view.facts.by_name
    take(view, on_the_wire(record_of(Kind.IDENTITY, other.did, KnownIdentity(identity=other, named=True))))
    assert view.facts.by_name == {("prod", other.resource_name): other}
    take(view, on_the_wire(record_of(Kind.IDENTITY, other.did, None)))
    assert not view.facts.by_did
    assert not view.facts.by_name


async def test_attack_a_pdp_that_was_rolled_back_is_not_followed() -> None:
    """A state from an old backup, or a replay of an old stream, lacks whatever was stopped since."""
    clock, told = ManualClock(), iter((9, 8, 10))
    follower = SnapshotFollower(lambda: _State(next(told)), take_snapshot, clock=clock)
    seen: list[tuple[int, str]] = []
    async with follower.following():
        for _ in range(3):
            for _ in range(50):
                await asyncio.sleep(0)
            standing = follower._feed.view.standing
            assert standing is not None
            seen.append((standing.policy_revision, follower.report(clock.now()).problem))
            clock.advance(HEARTBEAT)
            if len(seen) == 3:
                break
    assert [revision for revision, _ in seen] == [9, 9, 10]
    assert "at revision 8, and told of 9 before; if it was restored on purpose" in seen[1][1]
    assert seen[2][1] == ""


def test_a_change_that_goes_back_is_not_taken_either() -> None:
    view = SnapshotView()
    take_snapshot(view, Change.MODIFIED, pb.WatchSnapshotResponse(standing=_standing(9)))
    with pytest.raises(ValueError, match="revision 8"):
        take_snapshot(view, Change.MODIFIED, pb.WatchSnapshotResponse(records=[TOOL], standing=_standing(8)))
    assert not view.facts.tools


def _standing(policy_revision: int) -> pb.SnapshotStanding:
    return pb.SnapshotStanding(format=FORMAT, policy_revision=policy_revision)


class _State:
    """A stream that tells one state and ends."""

    def __init__(self, policy_revision: int) -> None:
        self._policy_revision = policy_revision

    async def __aiter__(self) -> AsyncIterator[Step[pb.WatchSnapshotResponse]]:
        yield StateBegins()
        answer = pb.WatchSnapshotResponse(revision=1, standing=_standing(self._policy_revision))
        yield Changed(revision=1, change=Change.ADDED, answer=answer)
        yield StateComplete(revision=1)

    def interrupt(self) -> None:
        """It has ended long before anybody doubts it."""


def test_nobody_was_heard_yet_is_not_just_now() -> None:
    assert standing_from_proto(pb.SnapshotStanding()).identity_age is None
    assert standing_from_proto(pb.SnapshotStanding(identity_age=Duration())).identity_age == 0
    assert standing_from_proto(pb.SnapshotStanding(budgets_age=Duration(seconds=-5))).budgets_age == 0


def test_before_the_pdp_says_what_is_masked_nothing_is_logged_of_a_question() -> None:
    assert not SnapshotView().settings.inputs
