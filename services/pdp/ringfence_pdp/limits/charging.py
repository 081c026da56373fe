"""What one call counts: every limit that governs one of its parties, each for its key, each key once.

A policy counts the agents it governs: every subject of a chain counts against the policies for it. A policy for the
side that is called counts who calls. Environments never share a key, so nothing in dev uses up what is for prod.

| per | key |
| --- | --- |
| agent | `agent:namespaces/data/agents/analyst@prod` |
| origin | `origin:namespaces/…@prod`, the agent the chain begins with |
| namespace | `namespace:data@prod` |
| team | `team:warehouse@prod`; agents without a team count together |
| tool | `tool:warehouse.export@prod` |
| session | `session:namespaces/data/agents/analyst/<session>@prod`; calls without a session count together |
| everything | `everything@prod` |
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.compiled import CompiledBundle, CompiledLimit
from ringfence_pdp.limit import Limit, LimitPer, LimitUnit
from ringfence_pdp.limits.counters import Charge, Meter
from ringfence_pdp.limits.ring_limits import RING_LIMITS, RING_RATES
from ringfence_pdp.model import CheckRequest, Side

NEVER = Millis(0)
"""The window of a budget that is not renewed."""


class Party(NamedTuple):
    """An agent that takes part in a call."""

    name: str
    """Its resource name."""
    namespace: str
    team: str | None


class Parties(NamedTuple):
    """Who takes part: the subjects, the origin first and the acting agent last, and the agent called."""

    subjects: Sequence[Party]
    target: Party | None = None

    @property
    def acting(self) -> Party:
        """The agent that acts."""
        return self.subjects[-1]


class Allowance(NamedTuple):
    """What a delegation lets a call spend altogether. Zero is no limit of its own."""

    id: str
    """The delegation."""
    calls: int
    cost_micros: int
    until: Instant


def charges(bundle: CompiledBundle, request: CheckRequest, parties: Parties) -> list[Charge]:
    """Return what the limits of the bundle count of a call."""
    found: dict[tuple[str, str], Charge] = {}
    for limit, party in _governing(bundle, request, parties):
        key = key_of(limit.limit.per, party, request, parties)
        meter = Meter(limit.id, key, limit.limit)
        found[limit.id, key] = Charge(meter, amount_of(limit.limit.unit, request), parties.acting.name)
    return list(found.values())


def ring_charge(ring: int, parties: Parties, environment: str) -> Charge:
    """Return what the rate of a ring counts of a call."""
    key = f"agent:{parties.acting.name}@{environment}"
    return Charge(Meter(RING_LIMITS[ring].id, key, RING_RATES[ring]), 1, parties.acting.name)


def allowance_charges(allowances: Sequence[Allowance], request: CheckRequest, parties: Parties) -> list[Charge]:
    """Return what a call spends of the delegations it stands on."""
    found = []
    for allowance in allowances:
        key = f"{allowance.id}@{request.environment}"
        for unit, most in ((LimitUnit.REQUESTS, allowance.calls), (LimitUnit.COST_MICROS, allowance.cost_micros)):
            if most:
                limit = Limit(
                    name=unit.word, budget=True, unit=unit, per=LimitPer.ORIGIN, maximum=most, window=NEVER, burst=most
                )
                meter = Meter(f"delegation/{unit.word}", key, limit, allowance.until)
                found.append(Charge(meter, amount_of(unit, request), parties.acting.name))
    return found


def amount_of(unit: LimitUnit, request: CheckRequest) -> int:
    """Return how much of a unit the request says it uses."""
    match unit:
        case LimitUnit.REQUESTS:
            return 1
        case LimitUnit.TOKENS:
            return request.usage.tokens
        case LimitUnit.COST_MICROS:
            return request.usage.cost_micros


def key_of(per: LimitPer, party: Party, request: CheckRequest, parties: Parties) -> str:
    """Return whom a limit counts when `party` makes the call."""
    match per:
        case LimitPer.AGENT:
            whom = f"agent:{party.name}"
        case LimitPer.ORIGIN:
            whom = f"origin:{parties.subjects[0].name}"
        case LimitPer.NAMESPACE:
            whom = f"namespace:{party.namespace}"
        case LimitPer.TEAM:
            whom = f"team:{party.team or ''}"
        case LimitPer.TOOL:
            whom = f"tool:{request.tool or ''}"
        case LimitPer.SESSION:
            whom = f"session:{party.name}/{request.session or ''}"
        case LimitPer.EVERYTHING:
            whom = "everything"
    return f"{whom}@{request.environment}"


def _governing(
    bundle: CompiledBundle, request: CheckRequest, parties: Parties
) -> Iterator[tuple[CompiledLimit, Party]]:
    """Yield every limit that counts the call, and the agent it counts."""
    side = request.side if parties.target is None else Side.CALLER
    asked = [(party.name, side, party) for party in parties.subjects]
    if parties.target is not None:
        asked.append((parties.target.name, Side.CALLEE, parties.acting))
    for governed, on_side, counted in asked:
        for limit in bundle.counting(
            environment=request.environment, agent=governed, action=request.action, tool=request.tool, side=on_side
        ):
            yield limit, counted
