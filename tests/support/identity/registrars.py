"""A registrar of prod with seeded keys, for what is made without a server."""

from ringfence.proofs.did import Host
from ringfence_identity.environment_keys import EnvironmentKeys
from ringfence_identity.environments import Environment
from ringfence_identity.issuance import Registrar
from ringfence_identity.update_keys import UpdateKeys
from ringfence_kit.clock import EPOCH, MINUTE, Millis
from ringfence_kit.sealed_keys import MacKey
from support.identity.certified import REGISTRAR, REGISTRAR_KEY

PROD = Environment(
    name="prod",
    host=Host("prod.id.ringfence.internal"),
    issuer="https://prod.id.ringfence.internal",
    production=True,
    token_lifetime=Millis(MINUTE),
)


def prod_registrar() -> Registrar:
    """Return the registrar whose DID document `certified.DOCUMENT` is."""
    keys = EnvironmentKeys(
        registrar=REGISTRAR_KEY,
        updates=UpdateKeys("prod", b"\x07" * 32),
        challenge=(MacKey(key_id="c", secret=b"\x08" * 32, created_at=EPOCH),),
        status_places=MacKey(key_id="s", secret=b"\x09" * 32, created_at=EPOCH),
    )
    return Registrar(environment=PROD, keys=keys, did=REGISTRAR)
