"""Status lists as verifiers fetch them: signed credentials, made when asked for (W3C Bitstring Status List 1.0).

- every list is small, whole and signed by the environment's registrar; where it comes from does not matter;
- one is kept until something it could say changed, or until it is due: it says `ttl` 15 s and is good for 60 s, so a
  verifier that is shown nothing newer finds out within a minute that it is being kept in the dark;
- lists come in pairs: an odd number tells revocation, which is for good, the next even one suspension, which is not.
"""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ringfence.proofs import data_integrity
from ringfence.proofs.canonical_json import JsonObject, base64url, canonical
from ringfence.proofs.credential_check import CONTEXT, VERIFIABLE_CREDENTIAL
from ringfence.proofs.did import RegistrarDid
from ringfence.proofs.public_keys import SigningKey, public_key_of
from ringfence.proofs.status_list_check import LIST, LIST_CREDENTIAL, REVOCATION, SUSPENSION
from ringfence.proofs.timestamps import timestamp
from ringfence_kit.clock import SECOND, Instant, Millis

from ringfence_identity.birth_certificate import status_list_url
from ringfence_identity.environments import Environments
from ringfence_identity.errors import StatusListNotFound
from ringfence_identity.issuance import Registrar
from ringfence_identity.registrars import Registrars
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.status.places import PLACES

TIME_TO_LIVE = Millis(15 * SECOND)
LIFETIME = Millis(60 * SECOND)

_COMPRESSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedList:
    """A signed status list."""

    credential: bytes
    """In canonical JSON."""
    refresh_at: Instant
    """When it is to be fetched again."""
    changes: int
    """What `StatusBits.changes` said when it was made."""

    @property
    def etag(self) -> str:
        """The strong etag of these bytes."""
        return f'"{hashlib.sha256(self.credential).hexdigest()[:32]}"'


class StatusLists:
    """Publishes the status lists of the environments hosted here."""

    def __init__(self, *, environments: Environments, registrars: Registrars, snapshot: IdentitySnapshot) -> None:
        self._environments = environments
        self._registrars = registrars
        self._snapshot = snapshot
        self._published: dict[tuple[str, int], PublishedList] = {}

    def of(self, environment: str, number: int, *, now: Instant) -> PublishedList:
        """Return list `number` of `environment`, or raise `EnvironmentUnknown` or `StatusListNotFound`."""
        registrar = self._registrars.of(self._environments.get(environment))
        statuses = self._snapshot.statuses
        if not 1 <= number <= 2 * statuses.pairs(environment):
            raise StatusListNotFound(environment=environment, number=number)
        kept = self._published.get((environment, number))
        changes = statuses.changes(environment)
        if kept is None or kept.changes != changes or now >= kept.refresh_at:
            kept = PublishedList(
                credential=canonical(self._sign(registrar, number, now)),
                refresh_at=Instant(now + TIME_TO_LIVE),
                changes=changes,
            )
            self._published[environment, number] = kept
        return kept

    def _sign(self, registrar: Registrar, number: int, now: Instant) -> JsonObject:
        statuses, environment = self._snapshot.statuses, registrar.environment.name
        pair, is_suspension = (number + 1) // 2, number % 2 == 0
        indices = statuses.suspended(environment, pair) if is_suspension else statuses.revoked(environment, pair)
        return sign_status_list(number, indices, registrar=registrar.did, key=registrar.keys.registrar, now=now)


def sign_status_list(
    number: int, indices: Iterable[int], *, registrar: RegistrarDid, key: SigningKey, now: Instant
) -> JsonObject:
    """Return the BitstringStatusListCredential in which the bits at `indices` are set."""
    url = status_list_url(registrar, number)
    credential: JsonObject = {
        "@context": [CONTEXT],
        "id": url,
        "type": [VERIFIABLE_CREDENTIAL, LIST_CREDENTIAL],
        "issuer": str(registrar),
        "validFrom": timestamp(now),
        "validUntil": timestamp(Instant(now + LIFETIME)),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": LIST,
            "statusPurpose": REVOCATION if number % 2 else SUSPENSION,
            "encodedList": encoded_list(indices),
            "ttl": TIME_TO_LIVE,
        },
    }
    proof = data_integrity.make_proof(
        credential,
        key=key,
        verification_method=f"{registrar}#{public_key_of(key).thumbprint}",
        created=timestamp(now),
    )
    return {**credential, "proof": proof}


def encoded_list(indices: Iterable[int]) -> str:
    """Return the list with the bits at `indices` set, as `encodedList` writes it (sections 3.3 and 2.2)."""
    bits = bytearray(PLACES // 8)
    for index in indices:
        bits[index // 8] |= 1 << 7 - index % 8
    # The same bits always compress to the same bytes: gzip is told no time. Its highest level saves a tenth of them and
    # takes a hundred times as long on scattered bits.
    return "u" + base64url(gzip.compress(bytes(bits), compresslevel=_COMPRESSION, mtime=0))
