"""What is kept of a piece of work when its spans are gone: what it came to, and each agent's share of it.

Pure. An agent that asks sees its own part as if it were the whole, and of the others nothing: `seen_by`.
"""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice

from ringfence_kit.clock import Instant

from ringfence_telemetry.dialects import EXECUTE_TOOL
from ringfence_telemetry.trace_keys import TraceKey, is_trusted, trace_id_of
from ringfence_telemetry.workflows.blame import Promises, blame
from ringfence_telemetry.workflows.hops import NOTHING_USED, Hop, Tree, Used
from ringfence_telemetry.workflows.settled import Part, Settled

AGENTS_MAX = 1_000
"""Agents whose share of one piece of work is kept."""

USES_MAX = 64
"""Kinds of steps of one part that are told apart."""

PARTS_MAX = 1_000
"""Parts of one piece of work that are looked at by whoever judges it: the first started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An agent's share: all that it, and those it called, did."""

    agent: str
    session: str = ""
    started_at: Instant
    duration_micros: int
    failed: bool
    spans: int
    used: Used
    holds_blame: bool = False
    """Whether who is to blame for the whole is itself, or was called by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A piece of work."""

    key: TraceKey
    settled: Settled
    extent_micros: int
    spans: int
    used: Used
    blamed: str = ""
    blame_reason: str = ""
    blamed_span: int = 0
    """Of the hop to blame; 0 when none is."""
    shares: tuple[Share, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether its spans are believed."""
        return is_trusted(self.key)

    def with_late_blamed(self, promises: Promises) -> "Summary":
        """Return it with who is to blame for the time it took, when nobody is for an error and it took too long."""
        if self.blamed or not promises.is_late(self.settled):
            return self
        late = blame(self.settled, slow=True, target_of=promises.target_of)
        return replace(self, blamed=late.agent, blame_reason=late.reason, blamed_span=late.span)

    def seen_by(self, agent: str) -> "Summary | None":
        """Return the part of it that `agent` had, None when it had none."""
        share = next((share for share in self.shares if share.agent == agent), None)
        if share is None:
            return None
        sees_blame = share.holds_blame or self.blamed == agent
        settled = replace(
            self.settled,
            agent=agent,
            session=share.session,
            started_at=share.started_at,
            duration_micros=share.duration_micros,
            failed=share.failed,
        )
        return replace(
            self,
            settled=settled,
            extent_micros=share.duration_micros,
            spans=share.spans,
            used=share.used,
            blamed=self.blamed if sees_blame else "",
            blame_reason=self.blame_reason if sees_blame else "",
            blamed_span=self.blamed_span if sees_blame else 0,
            shares=(share,),
        )


def summary_of(key: TraceKey, tree: Tree) -> Summary:
    """Return what a tree comes to."""
    settled = _settled(key, tree)
    judged = blame(settled, slow=False) if settled.failed else None
    return Summary(
        key=key,
        settled=settled,
        extent_micros=tree.extent_micros,
        spans=tree.spans,
        used=tree.used,
        blamed="" if judged is None else judged.agent,
        blame_reason="" if judged is None else judged.reason,
        blamed_span=0 if tree.error_blame is None else tree.error_blame.hop.span,
        shares=_shares(tree),
    )


def topmost_of(tree: Tree) -> dict[str, list[Hop]]:
    """Return by agent its hops that are not beneath another of its own; agents in the order of their first."""
    found: dict[str, list[Hop]] = {}
    above: dict[str, int] = {}
    waiting = [(hop, True) for hop in reversed(tree.hops)]
    while waiting:
        hop, entering = waiting.pop()
        if not entering:
            above[hop.agent] -= 1
            continue
        if not above.get(hop.agent):
            found.setdefault(hop.agent, []).append(hop)
        above[hop.agent] = above.get(hop.agent, 0) + 1
        waiting.append((hop, False))
        waiting += [(child, True) for child in reversed(hop.children)]
    return found


def _settled(key: TraceKey, tree: Tree) -> Settled:
    root, found = tree.root, tree.error_blame
    return Settled(
        trace_id=trace_id_of(key),
        trusted=is_trusted(key),
        session=tree.session,
        principal=tree.principal,
        agent=root.agent,
        skill=root.skill,
        version=root.version,
        operation=tree.operation,
        started_at=tree.started_at,
        ended_at=tree.ended_at,
        duration_micros=root.duration_micros - root.waited_micros,
        failed=tree.failed,
        cancelled=tree.cancelled,
        sampled=tree.sampled,
        error_blame="" if found is None else found.agent,
        error_reason="" if found is None else found.error,
        parts=_parts(tree),
        escalated=any(hop.waited_micros for hop in tree.hops),
        input_tokens=tree.used.input_tokens,
        output_tokens=tree.used.output_tokens,
    )


def _parts(tree: Tree) -> tuple[Part, ...]:
    root, others = tree.root, [hop for hop in tree.every_hop if hop is not tree.root]
    others.sort(key=lambda hop: (hop.start, hop.span))
    return tuple(_part(hop) for hop in [root, *others[: PARTS_MAX - 1]])


def _part(hop: Hop) -> Part:
    return Part(
        agent=hop.agent,
        skill=hop.skill,
        version=hop.version,
        span=hop.span,
        duration_micros=hop.duration_micros - hop.waited_micros,
        own_micros=hop.own_micros,
        failed=hop.failed,
        critical=hop.critical,
        caller_side=hop.is_call and hop.reporter != hop.agent,
        uses=_uses(hop),
    )


def _uses(hop: Hop) -> tuple[tuple[str, int], ...]:
    """Return what a hop did by kind, the most frequent kinds."""
    kinds = Counter(
        (f"{step.operation}/{step.what}" if step.operation == EXECUTE_TOOL else step.operation)
        + (" (failed)" if step.failed else "")
        for step in hop.steps
    )
    return tuple(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))[:USES_MAX])


def _shares(tree: Tree) -> tuple[Share, ...]:
    """Return each agent's share: what its topmost hops include."""
    offset = int(tree.started_at) * 1_000_000 - tree.root.start
    holding, hop = set[str](), None if tree.error_blame is None else tree.error_blame.hop
    while hop is not None:
        holding.add(hop.agent)
        hop = hop.caller
    topmost = islice(topmost_of(tree).items(), AGENTS_MAX)
    return tuple(_share(agent, hops, offset, holds_blame=agent in holding) for agent, hops in topmost)


def _share(agent: str, hops: list[Hop], offset: int, *, holds_blame: bool) -> Share:
    used = NOTHING_USED
    for hop in hops:
        used = used.plus(hop.inclusive)
    start = min(hop.start for hop in hops)
    return Share(
        agent=agent,
        session=hops[0].session,
        started_at=Instant((start + offset) // 1_000_000),
        duration_micros=(max(hop.end for hop in hops) - start) // 1_000,
        failed=any(hop.failed for hop in hops),
        spans=sum(hop.inclusive_spans for hop in hops),
        used=used,
        holds_blame=holds_blame,
    )
