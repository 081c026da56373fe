"""What status lists must say, derived from identities as they change."""

from dataclasses import replace

from ringfence_identity.model import AgentIdentity, IdentityStatus, Suspension, SuspensionCause
from ringfence_identity.status.bits import StatusBits, SupersededPlace
from ringfence_identity.status.places import StatusPlace
from ringfence_identity.trust.ledger import newborn
from support.identity.births import COMPLETE
from support.identity.did_logs import NOW

SUSPENSION = Suspension(cause=SuspensionCause.OPERATOR, reason="odd calls", at=NOW)


def place(index: int, *, pair: int = 1) -> StatusPlace:
    return StatusPlace(number=index, pair=pair, index=index)


AGENT = AgentIdentity(
    uid="uid",
    agent="namespaces/billing/agents/a",
    environment="prod",
    did="did:webvh:Qm:prod.example:agents:Qm",
    key="z6Mk",
    did_version_id="1-Qm",
    content=COMPLETE,
    certificate_serial=1,
    certificate_hash="hash",
    status_place=place(7),
    trust=newborn(ring_ceiling=1, debt=0, now=NOW),
    created_at=NOW,
    updated_at=NOW,
    revision=1,
)
SUSPENDED = replace(AGENT, status=IdentityStatus.SUSPENDED, suspension=SUSPENSION)
REVOKED = replace(AGENT, status=IdentityStatus.REVOKED, revoked_at=NOW)
REISSUED = replace(AGENT, certificate_serial=2, status_place=place(9))


def after(*states: AgentIdentity) -> StatusBits:
    bits = StatusBits()
    before = None
    for state in states:
        bits.put(before, state)
        before = state
    return bits


def said(bits: StatusBits, environment: str = "prod", pair: int = 1) -> tuple[set[int], set[int]]:
    return set(bits.revoked(environment, pair)), set(bits.suspended(environment, pair))


def test_a_newcomer_sets_no_bit() -> None:
    assert said(after(AGENT)) == (set(), set())


def test_revocation_is_for_good_and_suspension_is_not() -> None:
    assert said(after(AGENT, SUSPENDED)) == (set(), {7})
    assert said(after(AGENT, SUSPENDED, AGENT)) == (set(), set())
    assert said(after(AGENT, REVOKED)) == ({7}, set())
    assert said(after(AGENT, SUSPENDED, REVOKED)) == ({7}, set())


def test_a_superseded_certificate_is_revoked_and_suspended_no_more() -> None:
    assert said(after(AGENT, REISSUED)) == ({7}, set())
    suspended_anew = replace(SUSPENDED, certificate_serial=2, status_place=place(9))
    assert said(after(AGENT, SUSPENDED, suspended_anew)) == ({7}, {9})


def test_revoking_an_agent_leaves_every_certificate_it_had_revoked() -> None:
    assert said(after(AGENT, REISSUED, replace(REVOKED, status_place=place(9)))) == ({7, 9}, set())


def test_a_place_in_a_later_pair_makes_more_lists() -> None:
    later = replace(REISSUED, status_place=place(3, pair=2))
    bits = after(AGENT, later)
    assert bits.pairs("prod") == 2
    assert bits.pairs("dev") == 1
    assert said(bits, pair=1) == ({7}, set())
    assert said(bits, pair=2) == (set(), set())


def test_environments_do_not_touch() -> None:
    assert said(after(AGENT, REVOKED), environment="dev") == (set(), set())


def test_what_changes_no_status_does_not_count_as_a_change() -> None:
    """Trust moves all the time; the lists must not be signed anew for it."""
    bits = after(AGENT)
    changes = bits.changes("prod")
    bits.put(AGENT, replace(AGENT, revision=2, revocation_epoch=4))
    assert bits.changes("prod") == changes
    bits.put(AGENT, SUSPENDED)
    assert bits.changes("prod") != changes
    assert bits.changes("dev") == 0


def test_loading_says_what_the_events_said() -> None:
    by_events = after(AGENT, SUSPENDED, REISSUED)
    loaded = StatusBits([REISSUED], [SupersededPlace(environment="prod", pair=1, index=7)])
    assert said(loaded) == said(by_events) == ({7}, set())
    assert said(StatusBits([SUSPENDED])) == (set(), {7})
    assert said(StatusBits([REVOKED])) == ({7}, set())


def test_a_certificate_of_before_there_were_lists_sets_no_bit() -> None:
    old = replace(AGENT, status_place=None)
    assert said(after(old, replace(old, status=IdentityStatus.REVOKED))) == (set(), set())
    assert said(after(old, REISSUED)) == (set(), set())
