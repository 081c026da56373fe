"""Calls between few agents, drawn: what each side says, who is in which boundary, in which ring, and with which tool.

A world is plain data. `basis` and `request` put it before the engine; `oracle` decides it a second time, as the page on
composition tells it, without a lattice, an index or a compiled condition.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from ringfence_kit.names import AgentName
from ringfence_pdp.boundaries import Boundary
from ringfence_pdp.case import Basis
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.model import CheckRequest, Target

from support.pdp.links import TOOL, A, B, C, D, call, known
from support.pdp.world import basis as basis_of
from support.pdp.world import bundle, policy

AGENTS = (A, B, C, D)
SIDES = ("caller", "callee")
PEOPLE = {"R1": (1, "group:one", 600), "R2": (2, "group:two", 1_200), "R3": (3, "group:three", 1_800)}
ERRS = "1 / int(args.nothing) == 0"


@dataclass(frozen=True)
class Wall:
    """A boundary: who is inside, whether it is open, and what its policy says; empty for none."""

    inside: frozenset[AgentName]
    open: bool = True
    says: str = ""


@dataclass(frozen=True)
class ChainWorld:
    """One call, and everything that is asked about it."""

    chain: tuple[AgentName, ...]
    """Whoever stands before B, who acts."""
    target: AgentName | None
    words: Mapping[tuple[AgentName, str], str]
    """By agent and side: A allows, R1 to R3 ask people, D denies, EA and ED allow and deny by a condition that errs."""
    rings: Mapping[AgentName, int]
    asks_ring: Mapping[AgentName, int] = field(default_factory=dict)
    holding: frozenset[AgentName] = frozenset(AGENTS)
    walls: tuple[Wall, ...] = ()
    obliges: Mapping[AgentName, int] = field(default_factory=dict)
    """By agent: how many rows its side as a caller obliges to return at most."""
    stopped: AgentName | None = None

    @property
    def subjects(self) -> tuple[AgentName, ...]:
        return (*self.chain, B)


def _rules(word: str, rows: int | None) -> list[str]:
    match word:
        case "A":
            effect = "effect: ALLOW"
        case "EA":
            effect = f"effect: ALLOW, when: '{ERRS}'"
        case "D":
            return ["{name: no, match: {actions: ['*']}, effect: DENY}"]
        case "ED":
            errs = f"{{name: no, match: {{actions: ['*']}}, effect: DENY, when: '{ERRS}'}}"
            return ["{name: yes, match: {actions: ['*']}, effect: ALLOW}", errs]
        case _:
            people, group, seconds = PEOPLE[word]
            approval = f"{{min_approvals: {people}, approvers: ['{group}'], timeout: {seconds}s}}"
            effect = f"effect: REQUIRE_APPROVAL, approval: {approval}"
    obliged = "" if rows is None else f", obligations: [{{type: max_rows, id: rows, properties: {{rows: {rows}}}}}]"
    return [f"{{name: rule, match: {{actions: ['*']}}, {effect}{obliged}}}"]


def basis(world: ChainWorld) -> Basis:
    """What the engine stands on."""
    documents = []
    for (agent, side), word in world.words.items():
        rules = _rules(word, world.obliges.get(agent) if side == "caller" else None)
        governs = f"{{agents: ['{agent}'], side: {side}}}"
        text = policy(*rules, name=f"{agent.agent}-{side}", governs=governs)
        if side == "callee" and agent in world.asks_ring:
            text = text.replace("spec:\n", f"spec:\n  min_caller_ring: {world.asks_ring[agent]}\n", 1)
        documents.append(text)
    boundaries = []
    for number, wall in enumerate(world.walls):
        name = f"namespaces/mesh/boundaries/wall-{number}"
        boundaries.append(Boundary(name=name, agents=frozenset(map(str, wall.inside)), open=wall.open))
        if wall.says:
            governs = f"{{boundaries: ['{name}']}}"
            documents.append(policy(*_rules(wall.says, None), name=f"wall-{number}", governs=governs))
    tools = {agent: {TOOL: ""} if agent in world.holding else {} for agent in AGENTS}
    facts = known(world.rings, tools=tools, boundaries=boundaries)
    switches = [] if world.stopped is None else [KillTarget(TargetKind.AGENT, str(world.stopped))]
    return basis_of(bundle(*documents), facts=facts, switches=switches)


def request(world: ChainWorld) -> CheckRequest:
    """What the engine is asked."""
    target = None if world.target is None else Target(agent=world.target)
    return call(chain=tuple(map(str, world.chain)), target=target, supported_obligations=frozenset({"max_rows"}))


@dataclass(frozen=True)
class Plainly:
    """A decision of the oracle."""

    effect: str
    reason: str
    people: int = 0
    groups: frozenset[str] = frozenset()
    seconds: int = 0
    rows: int | None = None


def oracle(world: ChainWorld) -> Plainly:
    """Decide a world by reading docs/composition.md from top to bottom."""
    everybody = [*world.subjects, *([] if world.target is None else [world.target])]
    if world.stopped in everybody:
        return Plainly("DENY", "KILLED")
    if len(set(everybody)) < len(everybody):
        return Plainly("DENY", "CHAIN_CYCLE")
    if _rings_lack(world, everybody):
        return Plainly("DENY", "RING_INSUFFICIENT")
    if not set(everybody) <= world.holding:
        alone = len(everybody) == 1
        return Plainly("DENY", "TOOL_NOT_APPROVED" if alone else "CAPABILITY_NOT_DELEGATED")
    return _said_by_all(list(_said(world, everybody)), world, everybody)


def _rings_lack(world: ChainWorld, everybody: list[AgentName]) -> bool:
    for place, callee in enumerate(everybody):
        asked = world.asks_ring.get(callee) if (callee, "callee") in world.words else None
        before = [world.rings[one] for one in everybody[:place]]
        if place > 0 and asked is not None and max(before) > asked:
            return True
    return False  # reading needs ring 3 at most


def _said(world: ChainWorld, everybody: list[AgentName]) -> "list[str]":
    said: list[str] = []
    for caller, callee in pairwise(everybody):
        said += [world.words.get((caller, "caller"), "-"), world.words.get((callee, "callee"), "-")]
        for wall in world.walls:
            if (caller in wall.inside) != (callee in wall.inside):
                said.append(wall.says if wall.open else "X")
    if world.target is None:
        said.append(world.words.get((B, "caller"), "nothing"))
    return [word for word in said if word]


def _said_by_all(said: list[str], world: ChainWorld, everybody: list[AgentName]) -> Plainly:
    reasons = {"-": "MISSING_SIDE", "X": "BOUNDARY_CLOSED", "D": "RULE_DENIED", "ED": "RULE_ERROR"}
    reasons |= {"EA": "NO_MATCH", "nothing": "NO_MATCH"}
    for word in said:
        if word in reasons:
            return Plainly("DENY", reasons[word])
    callers = everybody[:-1] if world.target is not None else everybody
    rows = min((world.obliges[one] for one in callers if one in world.obliges), default=None)
    asked = [PEOPLE[word] for word in said if word in PEOPLE]
    if not asked:
        return Plainly("ALLOW", "ALLOWED", rows=rows)
    return Plainly(
        "REQUIRE_APPROVAL",
        "APPROVAL_REQUIRED",
        people=max(people for people, _, _ in asked),
        groups=frozenset(group for _, group, _ in asked),
        seconds=min(seconds for _, _, seconds in asked),
        rows=rows,
    )


_WORDS = st.sampled_from(["A"] * 8 + ["R1", "R2", "R3", "D", "EA", "ED"])
_RINGS = st.fixed_dictionaries({agent: st.integers(0, 3) for agent in AGENTS})
_ASKS = st.dictionaries(st.sampled_from([B, C]), st.sampled_from([1, 2, 3, 3]), max_size=1)
_SIDED = [(agent, side) for agent in AGENTS for side in SIDES]
_SPOKEN = st.fixed_dictionaries(dict.fromkeys(_SIDED, _WORDS))
_SILENT = st.sets(st.sampled_from(_SIDED), max_size=1)
_INSIDE = st.sets(st.sampled_from(AGENTS), min_size=1).map(frozenset)
walls = st.builds(Wall, _INSIDE, st.sampled_from([True] * 5 + [False]), st.sampled_from(["", "", "A", "R2", "D"]))
chains = st.sampled_from([(), (A,), (A,), (D, A), (A, D), (D,), (A, C)])


@st.composite
def worlds(draw: st.DrawFn) -> ChainWorld:
    """Any of them, mostly such as let something through."""
    words, silent = draw(_SPOKEN), draw(_SILENT)
    lacking = draw(st.sets(st.sampled_from(AGENTS), max_size=1) if draw(st.integers(0, 5)) == 0 else st.just(set()))
    return ChainWorld(
        chain=draw(chains),
        target=draw(st.sampled_from([C, C, None])),
        words={side: word for side, word in words.items() if side not in silent},
        rings=draw(_RINGS),
        asks_ring=draw(_ASKS),
        holding=frozenset(AGENTS) - lacking,
        walls=tuple(draw(st.lists(walls, max_size=2))),
        obliges=draw(st.dictionaries(st.sampled_from(AGENTS), st.integers(1, 9), max_size=2)),
        stopped=draw(st.sampled_from([None] * 9 + [A])),
    )


def narrowed(world: ChainWorld, how: str, agent: AgentName, wall: Wall) -> ChainWorld:
    """The same world with one thing in it that may only take away."""
    errs = {"A": "EA", "D": "ED"}
    newcomers = [one for one in (D, A) if one not in {*world.chain, world.target}]
    changed: dict[str, Any] = {
        "a hop": {"chain": (*world.chain, *newcomers[:1])},
        "a target": {"target": world.target or C},
        "a boundary": {"walls": (*world.walls, wall)},
        "a ring": {"rings": {**world.rings, agent: min(3, world.rings[agent] + 1)}},
        "a deny": {"words": {**world.words, (agent, "caller"): "D"}},
        "an allow less": {"words": {side: word for side, word in world.words.items() if side != (agent, "callee")}},
        "an error": {"words": {side: errs.get(word, word) for side, word in world.words.items()}},
        "a tool less": {"holding": world.holding - {agent}},
        "a kill": {"stopped": world.stopped or agent},
        "an obligation": {"obliges": {**world.obliges, agent: 1}},
    }
    return replace(world, **changed[how])


NARROWINGS = (
    "a hop",
    "a target",
    "a boundary",
    "a ring",
    "a deny",
    "an allow less",
    "an error",
    "a tool less",
    "a kill",
    "an obligation",
)
