"""The registrar of each environment: who signs birth certificates there, and the DID that says so.

Made once, when an environment is first opened, and the same ever after. Its DID, its keys and its host belong together:
a key file or a host that does not fit the data is refused at start, before anything is signed that nobody could verify.
"""

from collections.abc import Iterator

from ringfence.proofs.did import RegistrarDid, parse_did
from ringfence.proofs.did_document import SCID_PLACEHOLDER, registrar_document
from ringfence.proofs.did_log import LogEntry, scid_of
from ringfence.proofs.did_log_check import stored_entry
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import Clock
from ringfence_kit.errors import Unavailable
from ringfence_kit.refusals import StartRefused
from ringfence_kit.sealed_keys import KeyStore
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.did_log import begin_log
from ringfence_identity.environment_keys import EnvironmentKeys, open_keys
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.issuance import Registrar
from ringfence_identity.store import IdentityTx
from ringfence_identity.update_keys import REGISTRAR

PRINCIPAL = "service:identity"
"""Who founds registrars: the service itself."""


class KeysDoNotFit(StartRefused):
    """The database and the key file are not of one piece."""

    def __init__(self, *, environment: str) -> None:
        super().__init__(
            f"the keys of environment {environment} are not those its registrar was founded with: the key file and the "
            "database of identity belong together; restore the key file that was backed up with this database"
        )


class Registrars:
    """The registrars of the environments hosted here; there are none before they are opened."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._opened: dict[str, Registrar] = {}

    async def open(self, *, keys: KeyStore, writer: Writer[IdentityTx], clock: Clock) -> None:
        """Open the registrar of every environment, founding those that are new."""
        for environment in self._environments:
            held = open_keys(keys, environment.name, now=clock.now())
            did = await _found(environment, held, writer, Mutation(principal=PRINCIPAL, at=clock.now()))
            self._opened[environment.name] = Registrar(environment=environment, keys=held, did=did)

    def __iter__(self) -> Iterator[Registrar]:
        return iter(self._opened.values())

    def of(self, environment: Environment) -> Registrar:
        """Return the registrar of `environment`."""
        registrar = self._opened.get(environment.name)
        if registrar is None:
            raise Unavailable(problem="it is starting")
        return registrar


async def _found(
    environment: Environment, keys: EnvironmentKeys, writer: Writer[IdentityTx], mutation: Mutation
) -> RegistrarDid:
    """Return the DID of the environment's registrar, made when there is none."""

    def work(tx: IdentityTx) -> str:
        known = tx.registrar(environment.host)
        if known is not None:
            _require_fit(tx.last_log_line(known), keys, environment)
            return known
        first = _first_entry(environment, keys, mutation)
        did = str(RegistrarDid(scid_of(first), environment.host))
        tx.add_registrar(environment.host, did)
        tx.add_log_line(did, first.number, first.line)
        return did

    did = parse_did(await writer.write(work, mutation=mutation, result=str))
    if not isinstance(did, RegistrarDid):
        raise TypeError(f"{did} is stored as a registrar's DID")
    return did


def _first_entry(environment: Environment, keys: EnvironmentKeys, mutation: Mutation) -> LogEntry:
    template = registrar_document(
        did=RegistrarDid(SCID_PLACEHOLDER, environment.host), key=public_key_of(keys.registrar)
    )
    next_key = public_key_of(keys.updates.key(REGISTRAR, 2))
    return begin_log(template, key=keys.updates.key(REGISTRAR, 1), next_key=next_key, now=mutation.at)


def _require_fit(line: str | None, keys: EnvironmentKeys, environment: Environment) -> None:
    """Raise `KeysDoNotFit` unless the newest entry is the document of the registrar key we hold."""
    newest = stored_entry(line or "")
    did = parse_did(str(newest.state.get("id")))
    held = public_key_of(keys.registrar)
    if not isinstance(did, RegistrarDid) or newest.state != registrar_document(did=did, key=held):
        raise KeysDoNotFit(environment=environment.name)
