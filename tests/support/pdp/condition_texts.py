"""Hypothesis strategies for well-typed conditions over support.conditions.SCHEMA, and for requests.

Every text they draw passes the type checker; whether it can ever hold, and what it gives, is left to chance.
"""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from support.pdp.conditions import Agent, Request

_DEPTH = 3

_ints = st.one_of(st.integers(-5, 5), st.sampled_from([2**31, 2**53 - 1, 2**63 - 1, -(2**63)])).map(str)
_words = st.sampled_from(["", "a", "b", "ab", "prod", "dev", "x y"])
_texts = _words.map(lambda word: f"'{word}'")
_doubles = st.sampled_from(["0.0", "1.0", "-1.5", "2.5", "1e300"])

_JSON_PATHS = ["args.n", "args.s", "args.flag", "args.xs", "args.m.k", "args.missing", "args.m.missing", "args.none"]


def _binary(
    operators: list[str], left: st.SearchStrategy[str], right: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    return st.tuples(left, st.sampled_from(operators), right).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})")


@cache
def ints(depth: int = _DEPTH) -> st.SearchStrategy[str]:
    """Expressions of type int."""
    leaves = st.one_of(_ints, st.sampled_from(["agent.ring", "agent.trust", "size(agent.tools)", "size(agent.name)"]))
    if depth == 0:
        return leaves
    below = ints(depth - 1)
    return st.one_of(
        leaves,
        _binary(["+", "-", "*", "/", "%"], below, below),
        st.sampled_from(["-agent.ring", "-(agent.trust + 1)", "-(-7)"]),
        doubles(0).map(lambda text: f"int({text})"),
        st.tuples(truths(depth - 1), below, below).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
    )


@cache
def doubles(depth: int = _DEPTH) -> st.SearchStrategy[str]:
    """Expressions of type double."""
    if depth == 0:
        return _doubles
    below = doubles(depth - 1)
    return st.one_of(_doubles, _binary(["+", "-", "*"], below, below), st.just("double(agent.ring)"))


@cache
def texts(depth: int = _DEPTH) -> st.SearchStrategy[str]:
    """Expressions of type string."""
    leaves = st.one_of(
        _texts, st.sampled_from(["agent.name", "agent.stage", "agent.team", "labels.team", "labels.none"])
    )
    if depth == 0:
        return leaves
    return st.one_of(leaves, _binary(["+"], texts(depth - 1), texts(depth - 1)))


def sent() -> st.SearchStrategy[str]:
    """Expressions whose type only the request knows."""
    return st.sampled_from(_JSON_PATHS)


@cache
def comparisons(depth: int) -> st.SearchStrategy[str]:
    """Comparisons, none of them of what is present."""
    below = max(depth - 1, 0)
    order = ["==", "!=", "<", "<=", ">", ">="]
    numbers = st.one_of(ints(below), doubles(below))
    return st.one_of(
        _binary(order, numbers, numbers),
        _binary(order, texts(below), texts(below)),
        _binary(order, sent(), st.one_of(numbers, texts(below), st.just("true"))),
        _binary(["in"], texts(below), st.sampled_from(["agent.tools", "['a', 'prod']", "args.xs"])),
        _binary(["in"], sent(), st.sampled_from(["[1, 2]", "['a', 'b']", "[true]", "args.xs"])),
        st.tuples(texts(below), st.sampled_from(["startsWith", "endsWith", "contains"]), texts(below)).map(
            lambda parts: f"({parts[0]}).{parts[1]}({parts[2]})"
        ),
        # What goes through a list cannot fail for one element: see the oracle's test for why.
        st.tuples(st.sampled_from(["all", "exists", "exists_one"]), _texts).map(
            lambda parts: f"args.xs.{parts[0]}(x, x != {parts[1]})"
        ),
        st.tuples(st.sampled_from(["all", "exists"]), _texts).map(
            lambda parts: f"agent.tools.{parts[0]}(t, t > {parts[1]})"
        ),
        st.sampled_from(["agent.busy", "args.flag", "true", "false"]),
    )


def presence() -> st.SearchStrategy[str]:
    """Questions about what is there."""
    return st.sampled_from(
        ["has(args.n)", "has(args.m.k)", "has(agent.team)", "has(args.missing.x)", "'team' in labels"]
    )


@cache
def truths(depth: int = _DEPTH, *, asks_presence: bool = True) -> st.SearchStrategy[str]:
    """Expressions of type bool."""
    leaves = st.one_of(comparisons(depth), presence()) if asks_presence else comparisons(depth)
    if depth == 0:
        return leaves
    below = truths(depth - 1, asks_presence=asks_presence)
    chain = st.tuples(st.sampled_from([" && ", " || "]), st.lists(below, min_size=2, max_size=4))
    return st.one_of(
        leaves,
        chain.map(lambda parts: f"({parts[0].join(parts[1])})"),
        below.map(lambda text: f"!({text})"),
        st.tuples(below, below, below).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
    )


def _values() -> st.SearchStrategy[Any]:
    scalars = st.one_of(st.none(), st.booleans(), st.sampled_from([0.0, 1.0, 2.5, -1.5, 1e300]), _words)
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("kxy"), inner)),
        max_leaves=4,
    )


def arguments() -> st.SearchStrategy[dict[str, Any]]:
    """What a caller might send."""
    return st.fixed_dictionaries(
        {},
        optional={
            "n": _values(),
            "s": _words,
            "flag": st.one_of(st.booleans(), _values()),
            "xs": st.one_of(st.lists(_values(), max_size=4), _values()),
            "m": st.dictionaries(st.sampled_from("kxy"), _values(), max_size=3),
            "none": st.none(),
        },
    )


def requests() -> st.SearchStrategy[Request]:
    """Requests of every shape the schema allows."""
    agents = st.builds(
        Agent,
        name=_words,
        ring=st.integers(0, 3),
        trust=st.integers(0, 1000),
        stage=st.sampled_from(["dev", "prod"]),
        team=st.one_of(st.none(), _words),
        tools=st.lists(_words, max_size=3).map(tuple),
        busy=st.booleans(),
    )
    labels = st.dictionaries(st.sampled_from(["team", "zone"]), _words)
    return st.builds(Request, agent=agents, args=arguments(), labels=labels)
