"""What an agent's DID document points to, and keeping that true when it moves.

The services of a document follow from the identity alone. A certificate issued anew may have its status in another pair
of lists; then the document gets a new version, and only then.
"""

from collections.abc import Sequence

from ringfence.proofs.did import AgentDid
from ringfence.proofs.did_document import agent_services
from ringfence.proofs.did_log_check import stored_entry
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName

from ringfence_identity.birth_certificate import status_list_urls
from ringfence_identity.did_log import update_log
from ringfence_identity.dids import parse_did
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import AgentIdentity
from ringfence_identity.store import IdentityTx


def card_of(registrar: Registrar, identity: AgentIdentity) -> str:
    """Return where the A2A card of an agent is served; empty when none is published."""
    name = AgentName.parse(identity.agent)
    return "" if name is None else registrar.environment.card_of(name.namespace, name.agent)


def status_urls_of(registrar: Registrar, identity: AgentIdentity) -> Sequence[str]:
    """Return the lists that tell the status of its certificate; none for one issued before there were lists."""
    return () if identity.status_place is None else status_list_urls(registrar.did, identity.status_place)


def publish_services(tx: IdentityTx, registrar: Registrar, identity: AgentIdentity, *, at: Instant) -> str:
    """Write the services of `identity` into its history when they changed, and return its newest version."""
    did = parse_did(identity.did)
    if not isinstance(did, AgentDid):
        return identity.did_version_id
    newest = stored_entry(tx.last_log_line(identity.did) or "")
    status_urls = status_urls_of(registrar, identity)
    services = agent_services(did=did, card_url=card_of(registrar, identity), status_urls=status_urls)
    if newest.state.get("service") == services:
        return identity.did_version_id
    updates = registrar.keys.updates
    entry = update_log(
        newest,
        state={**newest.state, "service": services},
        key=updates.key(identity.uid, newest.number + 1),
        next_key=public_key_of(updates.key(identity.uid, newest.number + 2)),
        now=at,
    )
    tx.add_log_line(identity.did, entry.number, entry.line)
    return entry.version_id
