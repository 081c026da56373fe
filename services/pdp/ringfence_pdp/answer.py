"""A decision as it is given out and logged: with its id, the moment, and how current everything was it stands on."""

from typing import NamedTuple

from ringfence_kit.clock import Instant

from ringfence_pdp.model import Decision


class Answer(NamedTuple):
    """The answer to one question."""

    decision: Decision
    decision_id: str
    bundle_digest: str
    """Empty when no bundle is active."""
    identity_revision: int
    registry_revision: int
    policy_revision: int
    decided_at: Instant
