"""Using up a client assertion, in the transaction that acts on it: whoever it was shown for, it is good once."""

import hashlib

from ringfence_kit.clock import Instant

from ringfence_identity.client_assertion import SKEW, Assertion
from ringfence_identity.errors import AssertionReplayed
from ringfence_identity.store import IdentityTx, Purpose


def spend_assertion(tx: IdentityTx, did: str, assertion: Assertion) -> None:
    """Remember that the agent `did` has used `assertion`, or raise `AssertionReplayed`."""
    key = hashlib.sha256(f"{did}\n{assertion.jti}".encode()).hexdigest()
    if not tx.spend(Purpose.ASSERTION, key, until=Instant(assertion.expires_at + SKEW)):
        raise AssertionReplayed(jti=assertion.jti)
