"""Environments: the walls between dev, staging and prod.

Each has its own host, issuer, keys and audience. A DID's host says which environment it is of, and no two share one; a
did:key, which has no host, is of the one it was enrolled in. Whatever is looked up, signed or issued starts from
exactly one `Environment`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ringfence.proofs.did import Host
from ringfence_kit.clock import Millis

from ringfence_identity.errors import EnvironmentUnknown
from ringfence_identity.issuer_keys.schedule import USUAL_SCHEDULE, KeySchedule

PRODUCTION = "prod"
"""An environment of this name is production whatever the configuration says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment hosted here."""

    name: str
    host: Host
    issuer: str
    """The `iss` of its tokens, and the audience of assertions made to get them."""
    production: bool
    token_lifetime: Millis
    es256_audiences: frozenset[str] = frozenset()
    """Who gets tokens signed with ES256, because they refuse EdDSA."""
    key_schedule: KeySchedule = USUAL_SCHEDULE
    """When issuer keys follow each other."""
    card_url: str = ""
    """Where an agent's A2A card is served, with `{namespace}` and `{agent}`; empty when none is published."""

    def card_of(self, namespace: str, agent: str) -> str:
        """Return where the card of an agent is served; empty when none is published."""
        return self.card_url.replace("{namespace}", namespace).replace("{agent}", agent)


class Environments:
    """The environments hosted here."""

    def __init__(
        self, environments: Iterable[Environment], *, enrolled_in: Callable[[str], str | None] = lambda _: None
    ) -> None:
        """`enrolled_in` says in which environment an agent named by its key was enrolled: such a DID has no host."""
        self._enrolled_in = enrolled_in
        self._by_name = {environment.name: environment for environment in environments}
        self._by_host = {environment.host: environment for environment in self._by_name.values()}
        if len(self._by_host) != len(self._by_name):
            raise ValueError("two environments share a host")

    def __iter__(self) -> Iterator[Environment]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Environment:
        """Return the environment called `name`, or raise `EnvironmentUnknown`."""
        environment = self._by_name.get(name)
        if environment is None:
            raise EnvironmentUnknown(environment=name)
        return environment

    def of_key_did(self, did: str) -> Environment | None:
        """Return the environment in which the agent with this did:key was enrolled, or None when there is none."""
        name = self._enrolled_in(did)
        return None if name is None else self._by_name.get(name)

    def of_host(self, host: Host) -> Environment | None:
        """Return the environment whose DIDs carry `host`, or None when it is not hosted here."""
        return self._by_host.get(host)
