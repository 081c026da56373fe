"""What identities say alike is held once, and none of them is changed by that."""

from dataclasses import replace

from ringfence_identity.model import AgentIdentity
from ringfence_identity.shared_parts import SharedParts
from ringfence_identity.trust.evidence import Evidence
from ringfence_identity.trust.ledger import apply_evidence, newborn
from ringfence_kit import records
from ringfence_kit.clock import Instant
from support.identity.births import COMPLETE

NOW = Instant(1_767_225_600_000)


def identity(number: int) -> AgentIdentity:
    ledger = newborn(ring_ceiling=1, debt=0, now=NOW)
    return AgentIdentity(
        uid=f"uid-{number}",
        agent=f"namespaces/billing/agents/a{number}",
        environment="prod",
        did=f"did:webvh:Qm{number}:prod.example.com:agents:Qm{number}",
        key=f"z6Mk{number}",
        did_version_id="1-Qm",
        content=COMPLETE,
        certificate_serial=1,
        certificate_hash="hash",
        trust=apply_evidence(ledger, Evidence(points=2), now=NOW).ledger,
        created_at=NOW,
        updated_at=NOW,
        revision=1,
    )


def decoded(one: AgentIdentity) -> AgentIdentity:
    return records.decode(records.encode(one), AgentIdentity)


def test_nothing_is_changed() -> None:
    parts = SharedParts()
    for number in range(3):
        assert parts.share(decoded(identity(number))) == identity(number)
        assert records.encode(parts.share(decoded(identity(number)))) == records.encode(identity(number))


def test_what_two_say_alike_is_held_once() -> None:
    parts = SharedParts()
    one, two = parts.share(decoded(identity(1))), parts.share(decoded(identity(2)))
    assert one.environment is two.environment
    assert one.content.sponsor is two.content.sponsor
    assert one.content.approved_tools[0] is two.content.approved_tools[0]
    assert all(mine is theirs for mine, theirs in zip(one.content.permissions, two.content.permissions, strict=True))
    gates = zip(one.content.evaluation_plan.gates, two.content.evaluation_plan.gates, strict=True)
    assert all(mine.suite is theirs.suite and mine.result_micros is theirs.result_micros for mine, theirs in gates)


def test_a_new_version_holds_the_content_of_the_one_before_when_it_says_the_same() -> None:
    parts = SharedParts()
    before = parts.share(decoded(identity(1)))
    after = parts.share(decoded(replace(identity(1), revocation_epoch=2)), before=before)
    assert after.content is before.content
    assert after.revocation_epoch == 2
    changed = parts.share(decoded(replace(identity(1), content=replace(COMPLETE, purpose="Another."))), before=before)
    assert changed.content.purpose == "Another."
    assert before.content == COMPLETE


def test_ceilings_and_weights_are_held_once() -> None:
    parts = SharedParts()
    one, two = (parts.share(decoded(identity(number))).trust for number in (1, 2))
    assert one.state.ceiling is two.state.ceiling
    assert one.gains[0].weight is two.gains[0].weight


def test_the_times_of_one_agent_are_held_once() -> None:
    one = SharedParts().share(decoded(identity(1)))
    assert one.trust.state.last_event_at is one.created_at
    assert one.trust.gains[0].at is one.created_at
