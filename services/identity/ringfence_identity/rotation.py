"""Rotation: an agent replaces its key, with the help of the one it has.

The two signatures are the authentication; who calls does not matter, and a token is not needed. One transaction changes
key, history and revocation epoch, so that tokens made for the old key are void with the answer.
"""

from dataclasses import dataclass, replace

from ringfence.proofs.did import KeyDid
from ringfence.proofs.public_keys import from_multibase
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import environment_of_did
from ringfence_identity.dids import parse_did
from ringfence_identity.environments import Environments
from ringfence_identity.errors import DidMethodFixed
from ringfence_identity.key_succession import (
    NewKey,
    require_room,
    require_signed,
    require_succession,
    succeed,
)
from ringfence_identity.model import AgentIdentity
from ringfence_identity.registrars import Registrars
from ringfence_identity.revocation_record import end_permission
from ringfence_identity.standing import changeable, require_usable
from ringfence_identity.store import IdentityTx


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKey:
    """Whose key is replaced by which, and both signatures."""

    did: str
    new_key: NewKey
    old_key_proof: bytes


class Rotation:
    """Replaces keys of agents in good standing."""

    def __init__(self, *, environments: Environments, registrars: Registrars, writer: Writer[IdentityTx]) -> None:
        self._environments = environments
        self._registrars = registrars
        self._writer = writer

    async def rotate(self, wanted: RotateKey, *, mutation: Mutation) -> AgentIdentity:
        """Replace a key and return the identity."""
        if isinstance(parse_did(wanted.did), KeyDid):
            raise DidMethodFixed(did=wanted.did)
        registrar = self._registrars.of(environment_of_did(self._environments, wanted.did))

        def work(tx: IdentityTx) -> AgentIdentity:
            before = changeable(tx.identity(wanted.did), wanted.did)
            require_usable(before, mutation.at)
            key = require_succession(tx, before, wanted.new_key)
            message = wanted.new_key.message(before)
            require_signed(from_multibase(before.key), wanted.old_key_proof, message, field="old_key_proof")
            require_room(tx, before, now=mutation.at)
            after = replace(
                succeed(tx, registrar, before, key=key, at=mutation.at),
                revocation_epoch=before.revocation_epoch + 1,
                updated_at=mutation.at,
                revision=tx.next_revision,
            )
            end_permission(tx, after, reason="its key was rotated", at=mutation.at)
            return after

        return await self._writer.write(work, mutation=mutation, result=AgentIdentity)
