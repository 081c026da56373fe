"""One key after another: what rotation, a reported compromise and reinstatement have in common.

- whoever brings a new key proves to have it, over a message that is built here from what is stored and nothing else
  (`ringfence.proofs.rotation`);
- what is signed names the version it replaces, so of two changes at once the second is told to sign again;
- a key that was ever an agent's is nobody's again; a key in other hands stays in the document, good for nothing;
- history is written a second at a time, a bounded time ahead, and only as long as resolvers read it; what the registrar
  must be able to write (a compromise, the end) still fits when an agent has used up its share of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ringfence.proofs.did import AgentDid
from ringfence.proofs.did_document import LostKey, agent_document
from ringfence.proofs.did_log_check import stored_entry
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, from_multibase, import_key, public_key_of
from ringfence.proofs.rotation import rotation_input
from ringfence.proofs.timestamps import whole_second
from ringfence_kit.clock import MINUTE, Instant, Millis
from ringfence_kit.errors import QuotaExceeded

from ringfence_identity.did_log import next_version_time, update_log
from ringfence_identity.dids import parse_did
from ringfence_identity.document_services import card_of, status_urls_of
from ringfence_identity.errors import (
    DidLogFull,
    DidMethodFixed,
    DidVersionMismatch,
    KeyAlreadyUsed,
    ProofInvalid,
    WeakKeyRefused,
)
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import AgentIdentity
from ringfence_identity.store import IdentityTx
from ringfence_identity.store.agent_keys import UsedKey

LONGEST_LOG = 3 * 1024 * 1024
"""Where an agent's own rotations end: below the 4 MiB that gRPC clients take of an answer, and did:webvh's 5 MiB."""

FURTHEST_AHEAD = Millis(2 * MINUTE)
"""How far rotations in quick succession may run ahead of the clock; the registrar's own entries may run further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that shall take the place of another, with the proof that whoever brings it has it."""

    public_key: bytes
    nonce: bytes
    version_id: str
    """The version of the DID that is replaced."""
    proof: bytes
    key_field: str = "new_public_key"
    proof_field: str = "new_key_proof"
    """Where the two stand in the request, for whoever has to mend it."""

    def message(self, identity: AgentIdentity) -> bytes:
        """Return what has to be signed to put this key in the place of the one `identity` has."""
        return rotation_input(
            did=identity.did,
            environment=identity.environment,
            version_id=identity.did_version_id,
            old_key=from_multibase(identity.key).raw,
            new_key=self.public_key,
            nonce=self.nonce,
        )


def require_succession(tx: IdentityTx, identity: AgentIdentity, wanted: NewKey) -> PublicKey:
    """Return the key in `wanted`, or raise unless it may follow the one `identity` has and is proven."""
    if not has_history(identity):
        raise DidMethodFixed(did=identity.did)
    if wanted.version_id != identity.did_version_id:
        raise DidVersionMismatch(did=identity.did, expected=wanted.version_id, current=identity.did_version_id)
    try:
        key = import_key(wanted.public_key)
    except PublicKeyError as refused:
        raise WeakKeyRefused(problem=refused.problem, field=wanted.key_field) from refused
    require_signed(key, wanted.proof, wanted.message(identity), field=wanted.proof_field)
    # Only now: who cannot prove to have a key is not told whether it was ever used.
    if tx.key_is_used(key.multibase):
        raise KeyAlreadyUsed(thumbprint=key.thumbprint, field=wanted.key_field)
    return key


def require_signed(key: PublicKey, signature: bytes, message: bytes, *, field: str) -> None:
    """Raise `ProofInvalid` unless `signature`, the request's `field`, is by `key` over `message`."""
    if not key.verifies(signature, message):
        raise ProofInvalid(field=field, over="DID, environment, version, both keys and nonce")


def require_room(tx: IdentityTx, identity: AgentIdentity, *, now: Instant) -> None:
    """Raise unless the history of `identity` has room for another entry that its agent asks for."""
    if tx.log_size(identity.did) >= LONGEST_LOG:
        raise DidLogFull(did=identity.did, longest=LONGEST_LOG)
    newest = stored_entry(tx.last_log_line(identity.did) or "")
    ahead = next_version_time(newest.version_time, now) - (now + FURTHEST_AHEAD)
    if ahead > 0:
        raise QuotaExceeded(principal=identity.did, method_class="rotation", retry_after=Millis(ahead))


def has_history(identity: AgentIdentity) -> bool:
    """Say whether the DID of `identity` has versions; a did:key is its key, for good."""
    return isinstance(parse_did(identity.did), AgentDid)


def key_in_force(keys: Sequence[UsedKey], identity: AgentIdentity) -> UsedKey:
    """Return which of its `keys` is the one that `identity` has."""
    for known in keys:
        if known.key == identity.key:
            return known
    raise TypeError(f"{identity.did} is stored without its key")


def succeed(
    tx: IdentityTx, registrar: Registrar, identity: AgentIdentity, *, key: PublicKey | None, at: Instant
) -> AgentIdentity:
    """Put `key` in force, or show that the one there is lost when it is None; return the identity, yet to be stored."""
    if key is not None:
        tx.put_key(replace(key_in_force(tx.keys_of(identity.did), identity), until=at))
        # In whole seconds, as are the claims of what it signs.
        tx.add_key(UsedKey(key=key.multibase, did=identity.did, since=whole_second(at)))
    version_id = _write_history(tx, registrar, identity, key=key, at=at)
    return replace(identity, key=identity.key if key is None else key.multibase, did_version_id=version_id)


def _write_history(
    tx: IdentityTx, registrar: Registrar, identity: AgentIdentity, *, key: PublicKey | None, at: Instant
) -> str:
    did = parse_did(identity.did)
    if not isinstance(did, AgentDid):
        return identity.did_version_id
    newest = stored_entry(tx.last_log_line(identity.did) or "")
    state = agent_document(
        did=did,
        key=key,
        registrar=registrar.did,
        card_url=card_of(registrar, identity),
        status_urls=status_urls_of(registrar, identity),
        lost=_lost(tx.keys_of(identity.did)),
    )
    updates = registrar.keys.updates
    entry = update_log(
        newest,
        state=state,
        key=updates.key(identity.uid, newest.number + 1),
        next_key=public_key_of(updates.key(identity.uid, newest.number + 2)),
        now=at,
    )
    tx.add_log_line(identity.did, entry.number, entry.line)
    return entry.version_id


def _lost(keys: Sequence[UsedKey]) -> list[LostKey]:
    return [
        LostKey(key=from_multibase(known.key), since=known.compromised_since)
        for known in keys
        if known.compromised_since is not None
    ]
