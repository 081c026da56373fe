"""Use cases of looking at limits: what there are, and how one stands for one key."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.errors import NotPermitted

from ringfence_pdp.compiled import CompiledBundle, CompiledLimit
from ringfence_pdp.errors import LimitNotFound
from ringfence_pdp.facts import Facts
from ringfence_pdp.limits.counters import Counters, Meter, Status

_ANY_KEY = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)


@dataclass(frozen=True, slots=True)
class Key:
    """Whom a limit counts, taken apart: `agent:namespaces/data/agents/analyst@prod`."""

    text: str

    @property
    def agent(self) -> str:
        """The agent it is of, by name; empty when it is of several."""
        kind, _, whom = self._whom.partition(":")
        return "/".join(whom.split("/")[:4]) if kind in ("agent", "origin", "session") else ""

    @property
    def namespace(self) -> str:
        """The id of the namespace it lies in; empty when it lies in none."""
        kind, _, whom = self._whom.partition(":")
        if kind == "namespace":
            return whom
        parts = self.agent.split("/")
        return parts[1] if len(parts) == 4 else ""

    @property
    def environment(self) -> str:
        """The environment it counts in."""
        return self.text.rpartition("@")[2]

    @property
    def _whom(self) -> str:
        return self.text.rpartition("@")[0]


def page_of(bundle: CompiledBundle | None, *, after: str, size: int) -> tuple[Sequence[CompiledLimit], bool]:
    """Return up to `size` limits after the id `after`, and whether there are more."""
    found = [] if bundle is None else [limit for limit in bundle.limits if limit.id > after]
    return found[:size], len(found) > size


def budget(
    counters: Counters,
    bundle: CompiledBundle | None,
    facts: Facts,
    *,
    caller: Caller,
    limit: str,
    key: str,
    now: Instant,
) -> Status:
    """Return how a limit stands for a key. Raises NotPermitted, whatever there is, or LimitNotFound."""
    asked = Key(key)
    if not _may_look(caller, asked, facts):
        raise NotPermitted(
            principal=caller.principal,
            action=f"see what {key} has left",
            needed="platform-admin, auditor, namespace-owner of that agent's namespace, or to be that agent",
        )
    found = None if bundle is None else next((one for one in bundle.limits if one.id == limit), None)
    if found is None:
        raise LimitNotFound(limit=limit)
    return counters.status(Meter(found.id, key, found.limit), now)


def _may_look(caller: Caller, key: Key, facts: Facts) -> bool:
    if caller.has(*_ANY_KEY) or (key.namespace and caller.owns(key.namespace)):
        return True
    if not caller.has(Role.AGENT):
        return False
    mine = facts.by_did.get(caller.principal)
    return mine is not None and (mine.resource_name, mine.environment) == (key.agent, key.environment)
