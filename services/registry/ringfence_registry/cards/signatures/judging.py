"""Judging the signatures of a card: once when it comes, and again when a key changed.

It happens before the transaction, because identity has to be asked; what changes in between is caught by
`re_evaluation.py`.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.card_keys import PinnedKeys, PinnedKeysError, read_pinned_keys
from ringfence.proofs.card_verdict import SignatureVerdict, SignedCard
from ringfence_kit.clock import Instant

from ringfence_registry.cards.signatures.keys import CardKeys
from ringfence_registry.cards.signatures.report import UNSIGNED, SignatureReport

_NOTHING_PINNED: PinnedKeys = {}


class KnownCopies(Protocol):
    """Knows which signed cards are registered."""

    def registered_before(self, payloads: Iterable[str], agent: str, at: Instant) -> bool:
        """Say whether an agent of another name had, by `at`, a card whose signature is over one of these (SHA-256)."""
        ...


class SignatureJudge:
    """Judges signatures by the registry's own trust root."""

    def __init__(self, keys: CardKeys, copies: KnownCopies) -> None:
        self._keys = keys
        self._copies = copies

    async def judge(
        self, body: bytes, *, agent: str, trusted_jwks: str, now: Instant, first_seen_at: Instant | None = None
    ) -> SignatureReport:
        """Return what became of each signature of a card that was read before.

        `agent` is the name the card is for, empty when it is for none yet; `trusted_jwks` what its namespace pinned;
        `first_seen_at` when the registry had the card for that agent for the first time, if not now.
        """
        signed = SignedCard(json.loads(body))
        seen_at = now if first_seen_at is None else first_seen_at
        answers = await self._keys.answers(signed.key_ids, pinned=pinned_keys(trusted_jwks), seen_at=seen_at, now=now)
        verdicts = signed.judge(answers)
        if not verdicts:
            return UNSIGNED
        return SignatureReport(
            verdicts=verdicts,
            card_sha256=hashlib.sha256(body).hexdigest(),
            first_seen_at=seen_at,
            judged_at=now,
            copied=bool(agent) and self._copies.registered_before(_payloads(verdicts), agent, seen_at),
        )


@lru_cache(maxsize=1_024)
def pinned_keys(trusted_jwks: str) -> PinnedKeys:
    """Return the keys a policy pins. One that does not hold, which its namespace never let in, pins none."""
    if not trusted_jwks:
        return _NOTHING_PINNED
    try:
        return read_pinned_keys(parse_object(trusted_jwks))
    except (PinnedKeysError, ValueError, RecursionError):
        return _NOTHING_PINNED


def _payloads(verdicts: Iterable[SignatureVerdict]) -> set[str]:
    return {verdict.payload_sha256 for verdict in verdicts if verdict.payload_sha256}
