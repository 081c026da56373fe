"""Ranked search: what comes first, what matches at all, and what is shown of it."""

import pytest
from ringfence_kit.errors import InvalidRequest, NotPermitted, PageTokenInvalid
from ringfence_registry.cards.model import CardSkill
from ringfence_registry.errors import FilterInvalid
from ringfence_registry.finding.highlighting import SNIPPET
from ringfence_registry.finding.searching import SearchQuery, wanted_in
from ringfence_registry.finding.words import kin_of, placed_words, words_of
from ringfence_registry.namespaces.visible import Visible
from support.registry.found import ADMIN, NOW, STRANGER, Finding, Sight, an_agent_saying

# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Reconciles the LEDGER, nightly.", ["reconciles", "the", "ledger", "nightly"]),
        ("data-science e.g. 3.5", ["data", "science", "e", "g", "3", "5"]),
        ("snake_case", ["snake_case"]),
        ("Straße CAFÉ", ["strasse", "café"]),
        ("発注処理 v2", ["発", "注", "処", "理", "v2"]),
        ("ภาษา", ["ภ", "า", "ษ", "า"]),
        ("…—!", []),
        ("", []),
    ],
)
def test_what_is_a_word(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_words_are_placed_in_the_text_as_it_is() -> None:
    text = "Die Straße, CAFÉ"
    assert [text[word.start : word.end] for word in placed_words(text)] == ["Die", "Straße", "CAFÉ"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("invoice", "invoices"), ("query", "queries"), ("cafe", "café"), ("box", "box"), ("ﬁle", "files")],
)
def test_kin(one: str, other: str) -> None:
    assert kin_of(one) == kin_of(other)


@pytest.mark.parametrize(
    ("one", "other"), [("glass", "glas"), ("gas", "ga"), ("status", "statu"), ("process", "proces")]
)
def test_not_kin(one: str, other: str) -> None:
    assert kin_of(one) != kin_of(other)


def test_a_query_is_words_and_quoted_texts() -> None:
    wanted = wanted_in('Invoices invoice SAP "as it Is" "open')
    assert wanted.words == ("invoices", "sap", "as", "it", "is", "open")
    assert wanted.quoted == ("as it is", "open")


# Order


def test_a_name_says_more_than_a_tag_and_a_tag_more_than_a_purpose() -> None:
    finding = Finding(
        [
            an_agent_saying("in-example", skills=(CardSkill(id="x", name="", examples=("sql please",)),)),
            an_agent_saying("in-purpose", purpose="Does sql."),
            an_agent_saying("in-tag", tags=("sql",)),
            an_agent_saying("in-name", display_name="sql"),
            an_agent_saying("nowhere"),
        ]
    )
    assert finding.names("sql") == ["in-name", "in-tag", "in-purpose", "in-example"]


def test_a_rare_word_tells_more_than_a_common_one() -> None:
    finding = Finding(
        [an_agent_saying(f"common-{n}", purpose="reports") for n in range(8)]
        + [an_agent_saying("rare", purpose="zeppelins"), an_agent_saying("neither")]
        + [an_agent_saying(f"z{n}") for n in range(9)]
    )
    assert finding.names("reports zeppelins")[0] == "rare"


def test_a_word_most_of_them_say_orders_them_and_makes_no_match_alone() -> None:
    finding = Finding(
        [an_agent_saying(f"a{n}", purpose="the of") for n in range(9)]
        + [an_agent_saying("b", purpose="ledger"), an_agent_saying("c", purpose="the ledger")]
    )
    assert finding.names("the ledger") == ["c", "b"]
    assert len(finding.names("the")) == 10


def test_ties_go_by_name() -> None:
    finding = Finding([an_agent_saying(name, purpose="ledger") for name in ("m", "a", "z", "b")])
    assert finding.names("ledgers") == ["a", "b", "m", "z"]


def test_what_is_quoted_has_to_be_there_as_it_is() -> None:
    finding = Finding(
        [
            an_agent_saying("phrase", purpose="Closes the books of sales."),
            an_agent_saying("apart", purpose="books, and sales of them"),
            an_agent_saying("other", purpose="something else"),
        ]
    )
    assert finding.names('"books of sales"') == ["phrase"]
    assert finding.names('"BOOKS OF"') == ["phrase"]
    assert set(finding.names("books of sales")) == {"phrase", "apart"}
    assert finding.names('"nobody says this"') == []


def test_words_without_spaces_between_them_are_found_inside() -> None:
    finding = Finding([an_agent_saying("jp", purpose="発注処理を自動化"), an_agent_saying("en", purpose="orders")])
    assert finding.names("処理") == ["jp"]


def test_relevance_is_of_the_best() -> None:
    finding = Finding([an_agent_saying("a", display_name="sql"), an_agent_saying("b", purpose="sql")])
    page = finding.page("sql")
    assert [each.relevance for each in page.found] == [1.0, 0.25]
    assert page.total == 2


def test_a_filter_narrows_a_search() -> None:
    finding = Finding(
        [an_agent_saying("a", purpose="sql", did="did:web:a.example"), an_agent_saying("b", purpose="sql")]
    )
    assert finding.names("sql", filter_text="did:*") == ["a"]
    with pytest.raises(FilterInvalid):
        finding.names("sql", filter_text="nonsense = 3")


# Highlights


def test_matches_say_where_and_the_weightiest_first() -> None:
    finding = Finding(
        [an_agent_saying("a", display_name="SQL desk", purpose="Runs queries in SQL.", tags=("sql", "x"))]
    )
    (found,) = finding.page("sql query").found
    assert [match.field for match in found.matches] == ["display_name", "skills.tags", "purpose"]
    purpose = found.matches[2]
    assert [purpose.snippet[start:end] for start, end in purpose.highlights] == ["queries", "SQL"]


def test_a_long_text_is_cut_around_the_words() -> None:
    text = "filler " * 200 + "the needle is here " + "filler " * 200
    finding = Finding([an_agent_saying("a", description=text)])
    (found,) = finding.page("needle").found
    (match,) = found.matches
    assert len(match.snippet) == SNIPPET
    ((start, end),) = match.highlights
    assert match.snippet[start:end] == "needle"


# Attacks


@pytest.mark.parametrize(
    "query",
    [
        'x" OR 1=1 --',
        "name:*",
        "NEAR(a b, 3)",
        "{purpose description}: x",
        "^sql",
        "sql AND NOT x",
        '""""',
        "'; DROP TABLE agents; --",
        "a" * 400,
        "%_\\",
        "\u202eabc",
    ],
)
def test_no_text_is_anything_but_words(query: str) -> None:
    finding = Finding([an_agent_saying("a", purpose="sql"), an_agent_saying("b", purpose="other")])
    for each in finding.page(query).found:
        assert each.relevance <= 1.0


def test_a_token_of_somebody_else_or_of_another_search_is_refused() -> None:
    finding = Finding([an_agent_saying(f"a{n}", purpose="sql") for n in range(5)])
    token = finding.page("sql", size=2).next_page_token
    assert finding.page("sql", size=3, token=token).found
    with pytest.raises(PageTokenInvalid):
        finding.page("sql", size=2, token=token, caller=STRANGER)
    with pytest.raises(PageTokenInvalid):
        finding.page("other", size=2, token=token)


def test_a_namespace_that_is_not_seen_is_refused_before_anybody_looks() -> None:
    finding = Finding([], sight=Sight({STRANGER.principal: Visible(listed=frozenset({"open"}))}))
    asked = SearchQuery(namespace="hidden", wanted=wanted_in("x"), filter="", page_size=5, page_token="", arguments=b"")
    with pytest.raises(NotPermitted):
        finding.search.search_agents(asked, caller=STRANGER, now=NOW)
    assert finding.search.search_agents(asked, caller=ADMIN, now=NOW).total == 0


def test_a_quoted_text_for_which_all_would_have_to_be_read_is_refused() -> None:
    agents = [an_agent_saying(f"a{n}", skills=(CardSkill(id="x", name="", examples=("one two",)),)) for n in range(9)]
    assert len(Finding(agents).names('"one two"')) == 9
    with pytest.raises(InvalidRequest, match="one by one"):
        Finding(agents, max_read=8).names('"one two"')
