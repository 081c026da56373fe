"""Before an agent is built: what is said to resemble it, and where they agree."""

from dataclasses import replace

import pytest
from ringfence_kit.errors import NotPermitted
from ringfence_kit.names import AgentName
from ringfence_registry.cards.model import CardSkill
from ringfence_registry.errors import AgentNotFound
from ringfence_registry.finding.similar import MIN_SCORE, SimilarAgent, SimilarQuery
from ringfence_registry.finding.similarity import features_of, features_of_purpose, likeness
from ringfence_registry.namespaces.visible import Visible
from support.registry.found import ADMIN, STRANGER, Finding, Sight, an_agent_saying

LEDGER = an_agent_saying(
    "ledger",
    display_name="Ledger keeper",
    purpose="Reconciles invoices with the ledger every night.",
    description="Compares bookings and reports what differs.",
    tags=("sql", "finance"),
)
TWIN = replace(LEDGER, name=AgentName("open", "twin"), uid="another")
COUSIN = an_agent_saying(
    "cousin", display_name="Invoice checker", purpose="Checks invoices against the ledger.", tags=("finance",)
)
STRANGE = an_agent_saying("weather", display_name="Weather", purpose="Says how it rains.", tags=("forecast",))


def like(finding: Finding, what: object, **said: object) -> tuple[SimilarAgent, ...]:
    asked: dict[str, object] = {"namespace": None, "like": what, "limit": 10, "min_score": MIN_SCORE}
    return finding.similar.find_similar_agents(SimilarQuery(**{**asked, **said}), caller=ADMIN)  # type: ignore[arg-type] # a test's fields


def names(found: tuple[SimilarAgent, ...]) -> list[str]:
    return [each.agent.name.agent for each in found]


def test_the_most_alike_come_first_and_itself_not_at_all() -> None:
    finding = Finding([LEDGER, TWIN, COUSIN, STRANGE])
    found = like(finding, LEDGER.name)
    assert names(found) == ["twin", "cousin"]
    assert found[0].score == 1.0
    assert found[0].agreeing[:2] == ("skills.tags", "purpose")
    assert found[1].agreeing == ("skills.tags", "input_modes", "output_modes")


def test_a_card_is_compared_by_what_it_says() -> None:
    finding = Finding([LEDGER, STRANGE])
    assert names(like(finding, replace(LEDGER.card, name="Ledger keeper"))) == ["ledger"]


def test_a_purpose_is_compared_with_purposes() -> None:
    finding = Finding([LEDGER, COUSIN, STRANGE])
    (first, *_) = like(finding, "Reconcile invoices with the ledger every night")
    assert (first.agent.name.agent, first.agreeing) == ("ledger", ("purpose",))


def test_whoever_shares_nothing_is_not_like_anything() -> None:
    assert like(Finding([LEDGER, COUSIN]), "zeppelins") == ()
    assert like(Finding([]), LEDGER.card) == ()


def test_likeness_goes_both_ways_when_both_say_the_same_fields() -> None:
    one, other = features_of(LEDGER), features_of(TWIN)
    assert likeness(one, other) == likeness(other, one)
    assert likeness(features_of_purpose("x y"), features_of_purpose("y z")).score == pytest.approx(1 / 3)
    assert likeness({}, one).score == 0


def test_a_stranger_learns_nothing_of_what_it_does_not_see() -> None:
    hidden = replace(TWIN, name=AgentName("closed", "twin"))
    sight = Sight({STRANGER.principal: Visible(listed=frozenset({"open"}))})
    finding = Finding([LEDGER, hidden], sight=sight)
    asked = SimilarQuery(namespace=None, like=LEDGER.name, limit=10, min_score=0.1)
    assert finding.similar.find_similar_agents(asked, caller=STRANGER) == ()
    for name in ("twin", "nobody"):
        with pytest.raises(NotPermitted):
            finding.similar.find_similar_agents(replace(asked, like=AgentName("closed", name)), caller=STRANGER)
    with pytest.raises(AgentNotFound):
        finding.similar.find_similar_agents(replace(asked, like=AgentName("open", "nobody")), caller=STRANGER)


def test_at_registration_only_what_is_much_alike_is_a_warning() -> None:
    finding = Finding([LEDGER, COUSIN, STRANGE])
    assert names(finding.similar.similar_to(TWIN, caller=ADMIN)) == ["ledger"]
    assert finding.similar.similar_to(STRANGE, caller=ADMIN) == ()


def test_many_that_are_alike_are_cut_by_name() -> None:
    many = [replace(LEDGER, name=AgentName("open", f"copy-{n:03}"), uid=str(n)) for n in range(80)]
    found = like(
        Finding([LEDGER, *many, STRANGE] + [replace(STRANGE, name=AgentName("open", f"w{n}")) for n in range(99)]),
        LEDGER.name,
        limit=3,
    )
    assert names(found) == ["copy-000", "copy-001", "copy-002"]


def test_a_skill_counts_by_its_words() -> None:
    skilled = [CardSkill(id="a", name="Export tables", description="Writes CSV files.", examples=("export all",))]
    one = an_agent_saying("one", skills=tuple(skilled))
    two = an_agent_saying("two", skills=(replace(skilled[0], name="Table export"),))
    assert likeness(features_of(one), features_of(two)).score == 1.0
