"""By which keys a card is signed: a change of all of them is an event of trust, whatever else the card says.

Keys are told by what the signatures say of themselves (RFC 7515 4.1.4); whether any of it is true is judged elsewhere.
A card that is signed by an old and a new key together lets verifiers follow (A2A 1.0 8.4.3).
"""

import base64
import binascii
import json

from ringfence_registry.cards.comparison.model import DifferenceKind, Differences, breaking, compatible
from ringfence_registry.cards.model import CardContent, CardSignature

_PLACE = "/signatures"


def signer_differences(before: CardContent, after: CardContent) -> Differences:
    """Yield whether those who verify the card with the keys they know still can."""
    old, new = (frozenset(map(_key_id, card.signatures)) for card in (before, after))
    if old and not new:
        yield breaking(DifferenceKind.SIGNATURE_REMOVED, _PLACE, "is signed no longer")
    elif old and not old & new:
        yield breaking(DifferenceKind.SIGNING_KEY_CHANGED, _PLACE, "is signed by none of the keys it was signed by")
    elif new - old:
        yield compatible(DifferenceKind.SIGNATURE_ADDED, _PLACE, "is signed by another key too")
    elif old - new:
        yield compatible(DifferenceKind.SIGNATURE_REMOVED, _PLACE, "is signed by fewer keys")


def _key_id(signature: CardSignature) -> str:
    """Return the `kid` of a signature; without one, its header as it is, which is the same for the same signer."""
    protected = signature.protected
    try:
        header = json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return protected
    key_id = header.get("kid") if isinstance(header, dict) else None
    return key_id if isinstance(key_id, str) else protected
