"""Chains of grants as hypothesis draws them: sound ones that narrow at random, and wild ones that may widen too."""

from collections.abc import Sequence
from functools import cache
from itertools import permutations, product
from typing import Any, TypeVar

from hypothesis import strategies as st
from ringfence.proofs.delegation_grant import UNLIMITED, Budget, Grant, grant_hash, read_grant, sign_grant
from ringfence_kit.clock import HOUR, MINUTE, SECOND, Instant
from support.identity.delegation_chains import (
    LEDGER,
    NOW,
    ORDERS,
    OTHER_SCHEMA,
    SCHEMA,
    World,
    did_of,
    first_grant,
    next_grant,
)
from support.identity.keys import seeded_key

MOST_AGENTS = 6
"""In the longest chain."""
AUDIENCES = (ORDERS, LEDGER, "https://c.example")

T = TypeVar("T")


@cache
def audience_sets(audiences: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw some of `audiences`, at least one, in any order."""
    return st.sampled_from(
        [chosen for size in range(1, len(audiences) + 1) for chosen in permutations(audiences, size)]
    )


# What there is to draw is listed: one draw out of a list takes a fifth of the time of putting it together by draws.
SCOPES = tuple(
    ":".join(parts) + star
    for length in (1, 2, 3)
    for parts in product(("a", "b", "ab"), repeat=length)
    for star in ("", ":*")
)
TOOL_SETS = tuple(
    {tool: schema for tool, schema in zip(("t.read", "t.write"), schemas, strict=True) if schema is not None}
    for schemas in product((None, SCHEMA, OTHER_SCHEMA), repeat=2)
)

scopes = st.sampled_from(SCOPES)
scope_sets = st.lists(scopes, min_size=1, max_size=4, unique=True).map(tuple)
tool_sets = st.sampled_from(TOOL_SETS)
budgets = st.builds(Budget, calls=st.integers(0, 5), cost_micros=st.integers(0, 5))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw agents whose certificates permit this and that, in any ring."""
    world = World()
    for number in range(MOST_AGENTS):
        world.change(number, ring=draw(st.integers(0, 3)))
        world.change_certificate(number, permissions=draw(scope_sets), tools=draw(tool_sets))
    return world


def sound_chains(world: World, *, least: int = 1, most: int = 5) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw a chain that holds in `world`, each link as narrow as it likes."""
    return _chains(world, least=least, most=most, wild=st.just(False))


def wild_chains(world: World) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw a chain that is signed and linked as it should be, and now and then grants what it likes."""
    return _chains(world, least=1, most=5, wild=st.sampled_from([False] * 15 + [True]))


@st.composite
def _chains(draw: st.DrawFn, world: World, *, least: int, most: int, wild: st.SearchStrategy[bool]) -> tuple[str, ...]:
    """Draw a chain; whenever `wild` says so, one part of a link may be anything."""

    def part(narrow: st.SearchStrategy[T], anything: st.SearchStrategy[T]) -> T:
        return draw(anything if draw(wild) else narrow)

    certificate = world.parties[did_of(0)].certificate
    grants: list[str] = []
    for number in range(1, draw(st.integers(least, most)) + 1):
        above = read_grant(grants[-1]).grant if grants else None
        audiences, limit = (above.audiences, above.budget) if above else (AUDIENCES, UNLIMITED)
        ends_at = above.expires_at if above else Instant(NOW + HOUR)
        parts: dict[str, Any] = {
            "scopes": part(narrower(above.scopes if above else certificate.permissions), scope_sets),
            "audiences": part(audience_sets(tuple(audiences)), audience_sets(AUDIENCES)),
            "tools": part(fewer(dict(above.tools if above else certificate.tools)), tool_sets),
            "budget": part(smaller(limit), budgets),
            "expires_at": part(moments(NOW + MINUTE, ends_at), moments(NOW + MINUTE, NOW + 2 * HOUR)),
            "max_depth": part(st.just(5), st.integers(number, 5)),
        }
        grants.append(signed(next_grant(grants[-1], to=number, **parts) if grants else first_grant(**parts)))
    return tuple(grants)


def moments(first: int, last: int) -> st.SearchStrategy[Instant]:
    """Draw a whole second between two."""
    return st.integers(first // SECOND, last // SECOND).map(lambda second: Instant(second * SECOND))


def narrower(held: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw scopes that `held` covers."""
    one = st.sampled_from(list(held)).flatmap(_narrowed)
    return st.lists(one, min_size=1, max_size=4, unique=True).map(tuple)


@cache
def _narrowed(scope: str) -> st.SearchStrategy[str]:
    if not scope.endswith(":*"):
        return st.just(scope)
    return st.one_of(st.just(scope), st.sampled_from([scope[:-1] + more for more in SCOPES]))


def fewer(tools: dict[str, str]) -> st.SearchStrategy[dict[str, str]]:
    """Draw some of `tools`."""
    return (
        st.sets(st.sampled_from(sorted(tools))).map(lambda kept: {tool: tools[tool] for tool in kept})
        if tools
        else st.just({})
    )


def smaller(budget: Budget) -> st.SearchStrategy[Budget]:
    """Draw a budget that limits whatever `budget` limits, to no more."""
    return st.builds(
        Budget,
        calls=st.integers(1, budget.calls) if budget.calls else st.integers(0, 5),
        cost_micros=st.integers(1, budget.cost_micros) if budget.cost_micros else st.integers(0, 5),
    )


def signed(grant: Grant) -> str:
    """Return `grant` signed by whom it says: agent n has the key n + 1."""
    number = next(number for number in range(MOST_AGENTS + 1) if did_of(number) == grant.delegator)
    return sign_grant(grant, seeded_key(number + 1))


def hashes_of(grants: Sequence[str]) -> tuple[str, ...]:
    """Return the names of grants."""
    return tuple(grant_hash(grant) for grant in grants)
