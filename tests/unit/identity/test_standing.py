"""Whether an identity may act: each way in which it may not, in the order in which it is said."""

from dataclasses import replace

import pytest
from ringfence_identity.errors import AgentExpired, AgentNotFound, AgentRevoked, AgentSuspended
from ringfence_identity.model import AgentIdentity, IdentityStatus, Suspension, SuspensionCause
from ringfence_identity.standing import changeable, require_usable
from ringfence_identity.trust.ledger import newborn
from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.errors import EtagMismatch
from support.identity.births import COMPLETE

NOW = Instant(1_767_225_600_000)
GOOD = AgentIdentity(
    uid="1",
    agent="namespaces/billing/agents/a",
    environment="prod",
    did="did:key:z6Mk",
    key="z6Mk",
    did_version_id="",
    content=COMPLETE,
    certificate_serial=1,
    certificate_hash="hash",
    trust=newborn(ring_ceiling=1, debt=0, now=NOW),
    created_at=NOW,
    updated_at=NOW,
    revision=1,
)
REVOKED = replace(GOOD, status=IdentityStatus.REVOKED, revoked_at=NOW)
SUSPENDED = replace(
    GOOD,
    status=IdentityStatus.SUSPENDED,
    suspension=Suspension(cause=SuspensionCause.COMPROMISE, reason="lost", at=NOW),
)
OVER = replace(GOOD, expires_at=NOW)


def test_who_is_in_good_standing_may_act() -> None:
    require_usable(GOOD, NOW)
    assert GOOD.usable(NOW)


@pytest.mark.parametrize(
    ("identity", "refusal"),
    [
        (REVOKED, AgentRevoked),
        (SUSPENDED, AgentSuspended),
        (OVER, AgentExpired),
        (replace(REVOKED, expires_at=NOW), AgentRevoked),
        (replace(SUSPENDED, expires_at=NOW), AgentExpired),
    ],
)
def test_who_is_not_is_told_the_most_final_reason(identity: AgentIdentity, refusal: type[Exception]) -> None:
    assert not identity.usable(NOW)
    with pytest.raises(refusal):
        require_usable(identity, NOW)


def test_a_suspension_names_its_cause() -> None:
    with pytest.raises(AgentSuspended) as refused:
        require_usable(SUSPENDED, NOW)
    assert refused.value.metadata["cause"] == "compromise"


@pytest.mark.parametrize(("left", "over"), [(1, False), (0, True), (-SECOND, True)])
def test_an_end_is_the_first_moment_after(left: int, over: bool) -> None:
    identity = replace(GOOD, expires_at=Instant(NOW + left))
    assert (identity.expired(NOW), identity.usable(NOW)) == (over, not over)


def test_what_may_be_changed() -> None:
    assert changeable(SUSPENDED, SUSPENDED.did, etag=SUSPENDED.etag) is SUSPENDED
    assert changeable(OVER, OVER.did) is OVER
    with pytest.raises(AgentNotFound):
        changeable(None, GOOD.did)
    with pytest.raises(AgentRevoked):
        changeable(REVOKED, REVOKED.did, etag='"another"')
    with pytest.raises(EtagMismatch):
        changeable(GOOD, GOOD.did, etag='"another"')
