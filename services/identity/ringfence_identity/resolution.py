"""DID resolution: from a DID to its document, as stored and signed, with what DID Resolution says about it.

Only what is hosted here is resolved; nothing is ever fetched, so no DID can make this service call out.
"""

from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject, parse_object
from ringfence.proofs.did import AgentDid, KeyDid, RegistrarDid, WebAlias
from ringfence.proofs.did_document import key_document, web_document
from ringfence.proofs.did_log import LogEntry
from ringfence.proofs.did_log_check import stored_entry
from ringfence_kit.clock import Instant

from ringfence_identity.access import hosted
from ringfence_identity.dids import parse_did
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import DidNotFound
from ringfence_identity.registrars import Registrars
from ringfence_identity.store import IdentityStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A DID document and its metadata. A did:key has neither history nor other names."""

    document: JsonObject | None
    """None when the DID is deactivated."""
    canonical_id: str
    equivalent_ids: tuple[str, ...] = ()
    version_id: str = ""
    created_at: Instant | None = None
    updated_at: Instant | None = None
    """When this version was made; None while there is only the first."""
    deactivated: bool = False


class Resolver:
    """Resolves the DIDs of the environments hosted here, and any did:key."""

    def __init__(self, *, environments: Environments, registrars: Registrars, store: IdentityStore) -> None:
        self._environments = environments
        self._registrars = registrars
        self._store = store

    async def resolve(self, text: str) -> Resolution:
        """Return what `text` resolves to, or raise `DidInvalid` or `DidNotFound`."""
        did = parse_did(text)
        if isinstance(did, KeyDid):
            return Resolution(document=key_document(did), canonical_id=str(did))
        environment = hosted(self._environments, did)
        if isinstance(did, WebAlias):
            return await self._versions(self._behind(did, environment), as_web=True)
        return await self._versions(did, as_web=False)

    async def log(self, did: AgentDid | RegistrarDid) -> str:
        """Return the whole `did.jsonl` of a DID."""
        lines = await self._store.log_lines(str(did))
        if not lines:
            raise DidNotFound(did=str(did))
        return "".join(f"{line}\n" for line in lines)

    async def presentation(self, did: AgentDid) -> JsonObject:
        """Return what `/whois` shows of an agent: a presentation of its birth certificate."""
        credential = await self._store.certificate(str(did))
        if credential is None:
            raise DidNotFound(did=str(did))
        return {
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiablePresentation"],
            "verifiableCredential": [parse_object(credential)],
        }

    def registrar(self, environment: Environment) -> RegistrarDid:
        """Return the DID of the environment's registrar."""
        return self._registrars.of(environment).did

    def _behind(self, alias: WebAlias, environment: Environment) -> AgentDid | RegistrarDid:
        return self.registrar(environment) if alias.scid is None else AgentDid(alias.scid, alias.host)

    async def _versions(self, did: AgentDid | RegistrarDid, *, as_web: bool) -> Resolution:
        lines = await self._store.log_lines(str(did))
        if not lines:
            raise DidNotFound(did=str(did))
        first, newest = stored_entry(lines[0]), stored_entry(lines[-1])
        deactivated = newest.parameters.get("deactivated") is True
        return Resolution(
            document=None if deactivated else _document(newest, did, as_web=as_web),
            canonical_id=str(did),
            equivalent_ids=(did.alias,),
            version_id=newest.version_id,
            created_at=first.version_time,
            updated_at=newest.version_time if newest.number > 1 else None,
            deactivated=deactivated,
        )


def _document(entry: LogEntry, did: AgentDid | RegistrarDid, *, as_web: bool) -> JsonObject:
    return web_document(entry.state, did) if as_web else entry.state
