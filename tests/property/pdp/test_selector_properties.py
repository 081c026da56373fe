"""Selectors, the tables they are found in, and the index built of them, against plain loops."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_pdp.index import REMEMBERED, RuleIndex, places
from ringfence_pdp.selector import SelectorTable, covers, overlap

names = st.text(alphabet="ab_", min_size=1, max_size=4)
selectors = st.one_of(names, names.map(lambda name: f"{name}*"), st.just("*"))
lists = st.lists(selectors, max_size=3, unique=True)


@given(selector=selectors, name=names)
def test_a_selector_covers_itself_or_what_it_begins(selector: str, name: str) -> None:
    assert covers(selector, name) == (
        name[: len(selector) - 1] == selector[:-1] if selector[-1] == "*" else name == selector
    )


@given(one=selectors, other=selectors, name=names)
def test_what_two_selectors_cover_they_overlap_in(one: str, other: str, name: str) -> None:
    assert overlap(one, other) == overlap(other, one)
    if covers(one, name) and covers(other, name):
        assert overlap(one, other)


@given(entries=st.dictionaries(selectors, st.integers()), name=names)
def test_a_table_finds_what_a_loop_finds(entries: dict[str, int], name: str) -> None:
    found = SelectorTable(entries.items()).covering(name)
    assert sorted(found) == sorted(value for selector, value in entries.items() if covers(selector, name))


@given(
    rules=st.lists(st.tuples(st.lists(names, max_size=2, unique=True), lists, lists, lists), max_size=8),
    asked=st.tuples(names, names, names, st.one_of(names, st.just(""))),
)
def test_the_index_finds_what_a_loop_finds_each_once_and_in_order(
    rules: list[tuple[list[str], list[str], list[str], list[str]]], asked: tuple[str, str, str, str]
) -> None:
    index = RuleIndex()
    for ordinal, (environments, agents, actions, tools) in enumerate(rules):
        index.put(ordinal, environments=environments, agents=agents, actions=actions, tools=tools)
    environment, agent, action, tool = asked
    found = index.candidates(environment=environment, agent=agent, action=action, tool=tool)

    def selected(parts: tuple[list[str], ...]) -> bool:
        pairs = zip(parts, asked, strict=True)
        return all(any(covers(selector, name) for selector in part or ["*"]) for part, name in pairs)

    assert found == [ordinal for ordinal, parts in enumerate(rules) if selected(parts)]


@given(parts=st.lists(lists, max_size=4))
def test_places_are_the_combinations(parts: list[list[str]]) -> None:
    total = 1
    for part in parts:
        total *= len(part or ["*"])
    assert places(*parts) == total


def test_what_is_remembered_of_look_ups_is_bounded_and_right() -> None:
    index = RuleIndex()
    index.put(0, environments=(), agents=(), actions=["read_*"], tools=())
    index.put(1, environments=(), agents=(), actions=["read_7"], tools=())
    for _ in range(2):
        for place in range(REMEMBERED + 5):
            found = index.candidates(environment="e", agent="a", action=f"read_{place}", tool="")
            assert found == ([0, 1] if place == 7 else [0])
