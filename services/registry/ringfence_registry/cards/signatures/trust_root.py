"""Where the keys come from that cards are verified with: identity, and what the namespace pinned. Nowhere else.

- A `kid` the namespace pinned is that key; any other is a DID URL of an agent identity knows, or nobody's.
- Nothing a card says is ever fetched: identity is asked about DIDs of its own, and a look-up that fails says so.
"""

from collections.abc import Iterable, Mapping

from ringfence.proofs.card_keys import PinnedKeys
from ringfence.proofs.card_verdict import KeyAnswer, KeyAway, KnownKey, UnknownKey
from ringfence_kit.clock import Instant

from ringfence_registry.cards.signatures.keys import IdentityAway, agents_key, did_url
from ringfence_registry.cards.signatures.remembered_keys import RememberedKeys

PINNED = "pinned"
"""The signer of what a namespace's own key verified."""


class TrustRoot:
    """`CardKeys` of both sources."""

    def __init__(self, identity: RememberedKeys) -> None:
        self._identity = identity

    async def answers(
        self, key_ids: Iterable[str], *, pinned: PinnedKeys, seen_at: Instant, now: Instant
    ) -> Mapping[str, KeyAnswer]:
        """See `CardKeys`."""
        return {key_id: await self._answer(key_id, pinned, seen_at, now) for key_id in key_ids}

    def forget(self, did: str) -> None:
        """See `CardKeys`."""
        self._identity.forget(did)

    async def _answer(self, key_id: str, pinned: PinnedKeys, seen_at: Instant, now: Instant) -> KeyAnswer:
        if key_id in pinned:
            return KnownKey(key=pinned[key_id], signer=PINNED)
        try:
            did, fragment = did_url(key_id)
        except ValueError as error:
            return UnknownKey(f"the namespace pinned no key called that, and identity has none: {error}")
        try:
            keys = await self._identity.keys_of(did, now)
        except IdentityAway as away:
            return KeyAway(f"identity could not be asked for its key: {away}")
        if keys is None:
            return UnknownKey("identity knows no agent with that DID")
        return agents_key(keys, fragment, seen_at=seen_at, now=now)
