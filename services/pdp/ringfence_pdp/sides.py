"""The sides of a call: who has a say in it, and what each of them says by the rules of its policies.

- for each hop the policies of who calls and of who is called decide, on their own side, about the same request;
- a side that no policy governs is missing, and denies. Only between boundaries that both declare each other
  single-sided one side is enough;
- every boundary that one end of the hop is in and the other is not decides too: a closed one denies, and one that no
  policy governs adds nothing. Tools reach external systems, which may be in boundaries of their own;
- without an agent that is called, the last hop is the acting agent's own call, decided as if it were alone.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from ringfence_pdp.boundaries import Boundaries
from ringfence_pdp.case import Case
from ringfence_pdp.chains.party import Party
from ringfence_pdp.compiled import CompiledBundle, CompiledRule
from ringfence_pdp.model import Reason, Side, SideVerdict, Stage
from ringfence_pdp.rules import Judged, judged, selected
from ringfence_pdp.stages import denial
from ringfence_pdp.vocabulary import Scope


class Voice(NamedTuple):
    """One party with a say, and the rules it speaks by."""

    hop: int
    side: Side
    party: str
    scope: Scope
    rules: tuple[CompiledRule, ...]
    """Those that cover the request, in the order in which they are judged."""
    silenced: Judged | None = None
    """What is said before any rule is asked."""

    def says(self, *, obliging: bool) -> tuple[SideVerdict, Judged]:
        """Return its verdict, and what it obliges to."""
        said = self.silenced or judged(self.rules, self.scope, self.party, obliging=obliging)
        return SideVerdict(self.hop, self.side, self.party, said.verdict), said


class _Hop(NamedTuple):
    number: int
    caller: Party
    callee: Party | None
    """None for the acting agent's own call."""


def voices(case: Case, bundle: CompiledBundle, scope: Scope) -> Iterator[Voice]:
    """Yield everybody who has a say: hop by hop, the caller, the callee, then the boundaries by name."""
    hops = list(_hops(case))
    for hop in hops:
        yield from _ends(hop, case, bundle, scope)
        yield from _boundaries(hop, case, bundle, scope, last=hop is hops[-1])


def speaking(case: Case) -> Iterator[tuple[Side, str]]:
    """Yield everybody whose policies are asked, on which side: both ends of each hop, and the boundaries it crosses."""
    boundaries = case.basis.facts.boundaries
    hops = list(_hops(case))
    for hop in hops:
        if hop.callee is None:
            yield case.request.side, hop.caller.name
        else:
            yield Side.CALLER, hop.caller.name
            yield Side.CALLEE, hop.callee.name
        if boundaries.to_look_at:
            for name in sorted(_crossed(hop, case, boundaries, last=hop is hops[-1])):
                yield Side.BOUNDARY, name


def _hops(case: Case) -> Iterator[_Hop]:
    if case.call is None:
        yield _Hop(1, case.acting, None)
        return
    for number, (caller, callee) in enumerate(pairwise((*case.call.subjects, case.call.target)), start=1):
        if caller is not None:
            yield _Hop(number, caller, callee)


def _ends(hop: _Hop, case: Case, bundle: CompiledBundle, scope: Scope) -> Iterator[Voice]:
    if hop.callee is None:
        yield _voice(hop.number, case.request.side, hop.caller.name, bundle, scope)
        return
    environment = case.request.environment
    ends = ((Side.CALLER, hop.caller.name), (Side.CALLEE, hop.callee.name))
    present = [bool(bundle.governing(name, environment, side)) for side, name in ends]
    enough = any(present) and _single_sided(hop, case.basis.facts.boundaries)
    for (side, name), governed in zip(ends, present, strict=True):
        if governed:
            yield _voice(hop.number, side, name, bundle, scope)
        elif not enough:
            message = f"no policy speaks for {name} as {side.word}, and both sides of a call have to decide"
            silent = Judged(denial(Stage.RULES, Reason.MISSING_SIDE, message))
            yield Voice(hop.number, side, name, scope.on(side), (), silent)


def _voice(hop: int, side: Side, party: str, bundle: CompiledBundle, scope: Scope) -> Voice:
    own, index = scope.on(side), bundle.boundary_index if side is Side.BOUNDARY else bundle.index
    return Voice(hop, side, party, own, tuple(selected(bundle, index, own, party, side)))


def _boundaries(hop: _Hop, case: Case, bundle: CompiledBundle, scope: Scope, *, last: bool) -> Iterator[Voice]:
    boundaries = case.basis.facts.boundaries
    if not boundaries.to_look_at:
        return
    for name in sorted(_crossed(hop, case, boundaries, last=last)):
        if not boundaries.heard or not boundaries.is_open(name):
            yield Voice(hop.number, Side.BOUNDARY, name, scope.on(Side.BOUNDARY), (), _closed(name, boundaries))
        elif bundle.governs_boundary(name, case.request.environment):
            yield _voice(hop.number, Side.BOUNDARY, name, bundle, scope)


def _closed(name: str, boundaries: Boundaries) -> Judged:
    if not boundaries.heard:
        message = "the registry has not said yet which boundaries there are; see that the pdp reaches it"
        return Judged(denial(Stage.RULES, Reason.FACTS_STALE, message))
    message = f"{name} is closed; an approver opens it again with EnableBoundary"
    return Judged(denial(Stage.RULES, Reason.BOUNDARY_CLOSED, message))


def _crossed(hop: _Hop, case: Case, boundaries: Boundaries, *, last: bool) -> frozenset[str]:
    here = _around(hop.caller, boundaries)
    crossed: frozenset[str] = frozenset() if hop.callee is None else here ^ _around(hop.callee, boundaries)
    tool = case.basis.facts.tools.get(case.request.tool or "") if last else None
    systems = () if tool is None else tool.external_systems
    for there in boundaries.of_systems(systems):
        crossed |= here ^ there
    if not boundaries.heard and (hop.callee is not None or systems):
        return frozenset({hop.caller.name})
    return crossed


def _around(one: Party, boundaries: Boundaries) -> frozenset[str]:
    return frozenset() if one.registered is None else boundaries.of_agent(one.registered)


def _single_sided(hop: _Hop, boundaries: Boundaries) -> bool:
    if hop.callee is None:
        return False
    here, there = _around(hop.caller, boundaries), _around(hop.callee, boundaries)
    return boundaries.heard and boundaries.single_sided(here - there, there - here)
