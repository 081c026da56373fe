"""Agents as entries of catalogs: what is said, what is left out, and what is attested only when it is so."""

from dataclasses import replace
from typing import Any

import pytest
from ringfence.proofs.card_verdict import Coverage, SignatureStatus, SignatureVerdict
from ringfence_kit.clock import Instant
from ringfence_registry.cards.model import CardSkill
from ringfence_registry.cards.signatures.report import SignatureReport
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.http.ard_pages import score_of
from ringfence_registry.http.entries import entry_of, registry_entry
from ringfence_registry.http.places import Places
from ringfence_registry.http.published_cards import published_number
from ringfence_registry.http.times import normal_time, rfc3339
from ringfence_registry.model import Agent, AgentState, Rollout
from support.registry.agents import an_agent
from support.registry.ard_schemas import ENTRY, conforms

PLACES = Places(publisher="example.com")
BASE = "https://registry.example.com"


def entry(agent: Agent) -> Any:
    return conforms(entry_of(AgentView(agent=agent, now=Instant(0)), PLACES, BASE), ENTRY)


def with_skills(*skills: CardSkill) -> Agent:
    agent = an_agent()
    return replace(agent, card=replace(agent.card, skills=skills))


def signed(**said: Any) -> Agent:
    agent = an_agent()
    verdict = SignatureVerdict(
        **{
            "index": 0,
            "status": SignatureStatus.VERIFIED,
            "coverage": Coverage.FULL,
            "key_id": "did:web:x#k",
            "signer": "did:web:x",
            "algorithm": "EdDSA",
            **said,
        }
    )
    return replace(agent, signatures=SignatureReport(verdicts=(verdict,), card_sha256=agent.card.sha256))


class TestEntries:
    def test_tags_and_skills_are_each_there_once(self) -> None:
        skills = [CardSkill(id="a", name="A", tags=("x", "y")), CardSkill(id="a", name="B", tags=("y", "z"))]
        shown = entry(with_skills(*skills))
        assert (shown["tags"], shown["capabilities"]) == (["x", "y", "z"], ["a"])

    @pytest.mark.parametrize(("examples", "shown"), [(0, None), (1, None), (2, 2), (5, 5), (9, 5)])
    def test_there_are_two_to_five_queries_or_none(self, examples: int, shown: int | None) -> None:
        texts = tuple(f"Example {number}." for number in range(examples))
        queries = entry(with_skills(CardSkill(id="a", name="A", examples=texts))).get("representativeQueries")
        assert (None if queries is None else len(queries)) == shown

    def test_an_agent_without_a_name_for_people_has_its_id(self) -> None:
        agent = an_agent()
        assert entry(replace(agent, spec=replace(agent.spec, display_name="")))["displayName"] == "ledger"

    def test_what_is_long_is_cut_and_what_is_much_is_bounded(self) -> None:
        agent = with_skills(*(CardSkill(id=f"s{number}", name="S", tags=(f"t{number}",)) for number in range(500)))
        shown = entry(replace(agent, card=replace(agent.card, description="d" * 60_000)))
        assert (len(shown["description"]), len(shown["tags"]), len(shown["capabilities"])) == (1_000, 64, 64)

    def test_the_registry_is_an_entry_too(self) -> None:
        itself = conforms(registry_entry(PLACES, BASE), ENTRY)
        assert (itself["identifier"], itself["url"]) == ("urn:air:example.com:registry", f"{BASE}/")


class TestTrustManifests:
    def test_a_signature_over_the_whole_card_is_attested_by_its_digest(self) -> None:
        agent = signed()
        manifest = entry(agent)["trustManifest"]
        assert manifest["identity"] == entry(agent)["identifier"]
        (attestation,) = manifest["attestations"]
        assert attestation["uri"] == entry(agent)["url"]
        assert attestation["digest"] == f"sha256:{agent.card.sha256}"

    @pytest.mark.parametrize(
        "said",
        [
            *({"status": status} for status in SignatureStatus if status is not SignatureStatus.VERIFIED),
            {"coverage": Coverage.KNOWN_FIELDS},
            {"signer_agent": "namespaces/finance/agents/another"},
        ],
        ids=str,
    )
    def test_anything_less_is_not(self, said: dict[str, Any]) -> None:
        assert "trustManifest" not in entry(signed(**said))

    def test_the_agents_own_key_attests_it_too(self) -> None:
        assert "trustManifest" in entry(signed(signer_agent="namespaces/finance/agents/ledger"))

    def test_a_card_that_was_not_judged_is_not(self) -> None:
        agent = signed()
        assert "trustManifest" not in entry(an_agent())
        assert "trustManifest" not in entry(replace(agent, card=replace(agent.card, sha256="0" * 64)))

    def test_a_canarys_signature_is_not_the_stable_cards(self) -> None:
        rollout = Rollout(canary=2, stable=1, percent=5, started_at=Instant(0))
        assert "trustManifest" not in entry(replace(signed(), number=2, rollout=rollout))


class TestPublishedRevision:
    @pytest.mark.parametrize("state", AgentState)
    def test_only_agents_that_serve_have_one(self, state: AgentState) -> None:
        assert (published_number(replace(an_agent(), state=state)) is not None) is state.serves

    def test_a_deleted_agent_has_none(self) -> None:
        assert published_number(replace(an_agent(), deleted_at=Instant(5))) is None

    @pytest.mark.parametrize(
        ("aliases", "published"),
        [
            ({}, 3),
            ({"stable": 1}, 3),
            ({"stable": 1, "canary": 2}, 3),
            ({"stable": 1, "canary": 3}, 1),
            ({"stable": 3, "canary": 3}, None),
            ({"canary": 3}, None),
        ],
    )
    def test_it_is_never_a_canary(self, aliases: dict[str, int], published: int | None) -> None:
        assert published_number(replace(an_agent(), number=3, aliases=aliases)) == published


@pytest.mark.parametrize(("relevance", "score"), [(1.0, 100), (0.5, 50), (0.994, 99), (0.001, 1), (0.0, 1)])
def test_scores_are_whole_and_what_is_found_is_above_nothing(relevance: float, score: int) -> None:
    assert score_of(relevance) == score


def test_times() -> None:
    assert rfc3339(Instant(1_767_225_600_001)) == "2026-01-01T00:00:00.001Z"
    assert rfc3339(Instant(0)) == "1970-01-01T00:00:00.000Z"
    assert normal_time("2026-01-31") == "2026-01-31T00:00:00Z"
    for wrong in ("", "2026", "2026-1-31", "2026-02-30", "2026-01-31T00:00:00", "now", "2026-01-31T25:00:00Z"):
        assert normal_time(wrong) is None
