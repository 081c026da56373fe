"""What holds for every name, every page size and every number a command may meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.names import ID_PATTERN, AgentName
from ringfence_launcher.paging import pages
from ringfence_launcher.views.usage import BAR_WIDTH, bar
from ringfence_launcher.words import agent_name, namespace_name, pairs, seconds_text, short, split_agent_name

IDS = st.from_regex(ID_PATTERN, fullmatch=True)


@dataclass
class Page:
    items: Sequence[int]
    next_page_token: str


class TestPages:
    @given(
        items=st.lists(st.integers(), max_size=60),
        sizes=st.lists(st.integers(0, 7), min_size=1, max_size=20),
        limit=st.integers(0, 80),
    )
    def test_whatever_the_pages_the_items_come_whole_in_order_and_once(
        self, items: list[int], sizes: list[int], limit: int
    ) -> None:
        """A server may give pages of any size, empty ones included, as long as there are more."""
        fetched: list[str] = []

        def fetch(token: str) -> Page:
            start = int(token or 0)
            end = start + (sizes[len(fetched) % len(sizes)] if len(fetched) < 200 else 7)
            fetched.append(token)
            return Page(items[start:end], str(end) if end < len(items) else "")

        assert list(pages(fetch, lambda page: page.items, limit=limit)) == items[:limit]

    @given(st.lists(st.integers(), min_size=1), st.integers(1, 5))
    def test_no_page_is_fetched_that_is_not_needed(self, items: list[int], limit: int) -> None:
        def fetch(token: str) -> Page:
            start = int(token or 0)
            assert start < limit
            return Page(items[start : start + 1], str(start + 1) if start + 1 < len(items) else "")

        assert len(list(pages(fetch, lambda page: page.items, limit=limit))) == min(limit, len(items))


class TestNames:
    @given(IDS, IDS)
    def test_short_and_long_mean_the_same(self, namespace: str, agent: str) -> None:
        name = AgentName(namespace, agent)
        assert agent_name(f"{namespace}/{agent}") == str(name)
        assert agent_name(str(name)) == str(name)
        assert short(str(name)) == f"{namespace}/{agent}"
        assert split_agent_name(f"{namespace}/{agent}") == (f"namespaces/{namespace}", agent)

    @given(st.text())
    def test_whatever_is_typed_is_a_name_or_a_usage_error(self, text: str) -> None:
        for read in (agent_name, namespace_name):
            try:
                named = read(text)
            except typer.BadParameter:
                continue
            assert named.startswith("namespaces/")
            assert read(named) == named

    @given(st.dictionaries(st.text(min_size=1).filter(lambda key: "=" not in key), st.text()))
    def test_pairs_keep_keys_and_values(self, given_pairs: dict[str, str]) -> None:
        assert pairs([f"{key}={value}" for key, value in given_pairs.items()], option="--x") == given_pairs

    @given(st.text(min_size=1).filter(lambda key: "=" not in key))
    def test_a_key_given_twice_is_a_usage_error(self, key: str) -> None:
        with pytest.raises(typer.BadParameter):
            pairs([f"{key}=1", f"{key}=2"], option="--x")


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_a_bar_is_never_wider_than_its_place_and_shows_whatever_is_there(one: int, other: int) -> None:
    amount, most = sorted((one, other))
    drawn = bar(amount, most).plain
    assert len(drawn) <= BAR_WIDTH
    assert bool(drawn) == bool(amount)


@given(st.integers(0, 1_000), st.integers(0, 1_000), st.integers(1_000, 2_000))
def test_more_is_never_drawn_shorter(one: int, other: int, most: int) -> None:
    less, more = sorted((one, other))
    assert len(bar(less, most).plain) <= len(bar(more, most).plain)


@given(st.integers(-(2**70), 2**70))
def test_every_number_of_seconds_can_be_shown(seconds: int) -> None:
    assert seconds_text(seconds)
