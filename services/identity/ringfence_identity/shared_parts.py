"""Keeps identities small in memory: what many of them say alike is held once.

Agents of one team ask for the same scopes, use the same tools, pinned to the same schemas, and pass the same suites; of
one agent most times are the same. An identity as it is decoded has a copy of each, which is half of its size.
"""

from dataclasses import fields
from sys import intern

from ringfence_kit.trust_decay import TrustState

from ringfence_identity.birth_certificate import ApprovedTool, BirthContent
from ringfence_identity.model import AgentIdentity
from ringfence_identity.trust.caps import TrustLedger

KNOWN_MAX = 100_000
"""The most tools, or numbers, that are remembered for being shared; beyond, all are forgotten and learned anew."""

_set = object.__setattr__
"""Sets a field of a frozen value. Done only to what was decoded just now and nobody else has: copying it costs more."""

_STATE = tuple(field.name for field in fields(TrustState))


class SharedParts:
    """Finds for each part of a birth certificate's content the one that is held already."""

    def __init__(self) -> None:
        self._tools: dict[ApprovedTool, ApprovedTool] = {}
        self._numbers: dict[int, int] = {}

    def share(self, identity: AgentIdentity, *, before: AgentIdentity | None = None) -> AgentIdentity:
        """Return `identity`, decoded just now, holding shared parts; those of `before`, when it says the same."""
        _set(identity, "environment", intern(identity.environment))
        if before is not None and before.content == identity.content:
            _set(identity, "content", before.content)
        else:
            self._share_content(identity.content)
        self._share_amounts(identity.trust)
        _share_times(identity)
        return identity

    def _share_amounts(self, trust: TrustLedger) -> None:
        """Hold once what has few values: ceilings are three, and most evidence has one of a few weights."""
        _set(trust.state, "ceiling", self._shared_number(trust.state.ceiling))
        for credit in (*trust.gains, *trust.complaints):
            _set(credit, "weight", self._shared_number(credit.weight))
            _set(credit, "rise", credit.weight if credit.rise == credit.weight else credit.rise)

    def _share_content(self, content: BirthContent) -> None:
        for name in ("sponsor", "backup_sponsor"):
            _set(content, name, intern(getattr(content, name)))
        _set(content, "permissions", tuple(map(intern, content.permissions)))
        _set(content, "approved_tools", tuple(map(self._shared_tool, content.approved_tools)))
        plan = content.evaluation_plan
        _set(plan, "uri", intern(plan.uri))
        for gate in plan.gates:
            _set(gate, "suite", intern(gate.suite))
            _set(gate, "minimum_micros", self._shared_number(gate.minimum_micros))
            if gate.result_micros is not None:
                _set(gate, "result_micros", self._shared_number(gate.result_micros))

    def _shared_tool(self, tool: ApprovedTool) -> ApprovedTool:
        if len(self._tools) >= KNOWN_MAX:
            self._tools.clear()
        return self._tools.setdefault(tool, tool)

    def _shared_number(self, number: int) -> int:
        if len(self._numbers) >= KNOWN_MAX:
            self._numbers.clear()
        return self._numbers.setdefault(number, number)


def _share_times(identity: AgentIdentity) -> None:
    """Hold each number of the trust state once: nearly all are the time of the last event, or what it earned."""
    state, known = identity.trust.state, {identity.created_at: identity.created_at}
    known.setdefault(identity.updated_at, identity.updated_at)
    for name in _STATE:
        value = getattr(state, name)
        _set(state, name, known.setdefault(value, value))
    for gain in identity.trust.gains:
        _set(gain, "at", known.setdefault(gain.at, gain.at))
