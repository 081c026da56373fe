"""The report on the signatures of an agent's card, as it is kept beside the agent.

Also the stored form (`ringfence_kit.records`), the verdicts included: fields may be added with a default, not renamed.
"""

from dataclasses import dataclass

from ringfence.proofs.card_verdict import SignatureVerdict
from ringfence_kit.clock import EPOCH, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """What became of each signature, and when that was found."""

    verdicts: tuple[SignatureVerdict, ...] = ()
    card_sha256: str = ""
    """Which card was judged, in lower-case hex."""
    first_seen_at: Instant = EPOCH
    """When the registry had this card for this agent for the first time: by then it was signed."""
    judged_at: Instant = EPOCH
    """When the keys were asked for."""
    copied: bool = False
    """Whether the same signed card was registered under another name before."""


UNSIGNED = SignatureReport()
"""The report on a card without signatures."""
