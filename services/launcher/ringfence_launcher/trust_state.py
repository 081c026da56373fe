"""What identity stores about an agent's trust, as the kit computes with it: whoever sees it can know the score."""

from ringfence.identity.v1 import trust_pb2
from ringfence_kit.trust_decay import TrustState

from ringfence_launcher.words import instant


def trust_state(stored: trust_pb2.TrustState) -> TrustState:
    """Return the state of a message."""
    return TrustState(
        earned=stored.earned_micro_points,
        debt=stored.debt_micro_points,
        last_positive_at=instant(stored.last_positive_time),
        debt_at=instant(stored.debt_time),
        last_event_at=instant(stored.last_event_time),
        stored_ring=stored.stored_ring,
        promoted_at=instant(stored.promote_time),
        penalised_at=instant(stored.penalty_time),
        ceiling=stored.ceiling,
        ring_zero_until=instant(stored.ring_zero_until_time),
    )
