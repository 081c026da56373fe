"""Environments: the walls between dev, staging and prod.

Each has its own host, issuer, keys and audience. A DID's host says which environment it is of, and no two share one;
whatever is looked up, signed or issued starts from exactly one `Environment`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ringfence.proofs.did import Host
from ringfence_kit.clock import Millis

from ringfence_identity.errors import EnvironmentUnknown
from ringfence_identity.issuer_keys import USUAL_SCHEDULE, KeySchedule

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

    def __init__(self, environments: Iterable[Environment]) -> None:
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

    def of_host(self, host: Host) -> Environment | None:
        """Return the environment whose DIDs carry `host`, or None when it is not hosted here."""
        return self._by_host.get(host)
