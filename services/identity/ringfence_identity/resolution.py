"""DID resolution: from a DID to its document, as stored and signed, with what DID Resolution says about it.

Only what is hosted here is resolved; nothing is ever fetched, so no DID can make this service call out.
"""

from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject, parse_object
from ringfence.proofs.did import AgentDid, KeyDid, RegistrarDid, WebAlias
from ringfence.proofs.did_document import key_document, web_document
from ringfence.proofs.did_log import LogEntry
from ringfence_kit.clock import Instant

from ringfence_identity.access import hosted
from ringfence_identity.did_history import Wanted, find_version
from ringfence_identity.dids import parse_did
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import DidInvalid, DidNotFound, DidVersionNotFound
from ringfence_identity.registrars import Registrars
from ringfence_identity.store import IdentityStore

NEWEST = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A DID document and its metadata. A did:key has neither history nor other names."""

    document: JsonObject | None
    """None when the DID is deactivated, and no version from before was asked for."""
    canonical_id: str
    equivalent_ids: tuple[str, ...] = ()
    scid: str = ""
    version_id: str = ""
    created_at: Instant | None = None
    updated_at: Instant | None = None
    """When this version was made; None for the first."""
    version_time: Instant | None = None
    next_version_id: str = ""
    next_update: Instant | None = None
    deactivated: bool = False
    """Whether the DID is out of use now, whatever version this is."""


class Resolver:
    """Resolves the DIDs of the environments hosted here, and any did:key."""

    def __init__(self, *, environments: Environments, registrars: Registrars, store: IdentityStore) -> None:
        self._environments = environments
        self._registrars = registrars
        self._store = store

    async def resolve(self, text: str, wanted: Wanted = NEWEST) -> Resolution:
        """Return what `text` resolves to, or raise `DidInvalid`, `DidNotFound` or `DidVersionNotFound`."""
        did = parse_did(text)
        if isinstance(did, KeyDid):
            return _of_key(did, wanted)
        environment = hosted(self._environments, did)
        if isinstance(did, WebAlias):
            return await self._version(self._behind(did, environment), wanted, as_web=True)
        return await self._version(did, wanted, as_web=False)

    async def log_of(self, text: str) -> str:
        """Return the whole `did.jsonl` of the did:webvh that `text` spells."""
        did = parse_did(text)
        if not isinstance(did, (AgentDid, RegistrarDid)):
            raise DidInvalid(did=text, problem="only a did:webvh has a history")
        hosted(self._environments, did)
        return await self.log(did)

    async def log(self, did: AgentDid | RegistrarDid) -> str:
        """Return the whole `did.jsonl` of a DID."""
        return "".join(f"{line}\n" for line in await self._lines(did))

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

    async def _lines(self, did: AgentDid | RegistrarDid) -> tuple[str, ...]:
        lines = await self._store.log_lines(str(did))
        if not lines:
            raise DidNotFound(did=str(did))
        return lines

    async def _version(self, did: AgentDid | RegistrarDid, wanted: Wanted, *, as_web: bool) -> Resolution:
        version = find_version(str(did), await self._lines(did), wanted)
        entry, following = version.entry, version.following
        return Resolution(
            document=None if version.ends_the_did else _document(entry, did, as_web=as_web),
            canonical_id=str(did),
            equivalent_ids=(did.alias,),
            scid=did.scid,
            version_id=entry.version_id,
            created_at=version.first.version_time,
            updated_at=entry.version_time if entry.number > 1 else None,
            version_time=entry.version_time,
            next_version_id=following.version_id if following is not None else "",
            next_update=following.version_time if following is not None else None,
            deactivated=version.deactivated,
        )


def _of_key(did: KeyDid, wanted: Wanted) -> Resolution:
    """Return what a did:key stands for: the same at every moment, and without versions."""
    if wanted.version_id:
        raise DidVersionNotFound(did=str(did), wanted=wanted.version_id)
    return Resolution(document=key_document(did), canonical_id=str(did))


def _document(entry: LogEntry, did: AgentDid | RegistrarDid, *, as_web: bool) -> JsonObject:
    return web_document(entry.state, did) if as_web else entry.state
