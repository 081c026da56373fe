"""Agents as entries of a catalog: what AI Catalog 1.0 and ARD 0.9 both read.

- The two name the media type differently, `mediaType` and `type`; an entry has both, so either reader is served.
- The card is referred to, never repeated: it is content of strangers, and has its own ETag.
- A trust manifest is there when there is something to attest: that a signature over the whole card verified, by a key
  identity or the namespace vouches for. It says so of the bytes at the address, by their digest.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from ringfence.proofs.card_verdict import Coverage

from ringfence_registry.cards.signatures.admission import counts
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.http.card_pages import CARD_TYPE
from ringfence_registry.http.places import Places
from ringfence_registry.http.published_cards import published_number
from ringfence_registry.http.times import rfc3339
from ringfence_registry.model import Agent

Entry: TypeAlias = dict[str, Any]

REGISTRY_TYPE = "application/ai-registry+json"

MAX_TAGS = 64
MAX_DESCRIPTION = 1_000
FEWEST_QUERIES, MOST_QUERIES = 2, 5
"""ARD 0.9 4.2: two to five, or none."""


def entry_of(view: AgentView, places: Places, base_url: str) -> Entry:
    """Return the entry of an agent whose card is published under `base_url`."""
    agent = view.agent
    card, identifier = agent.card, places.urn(agent.name)
    entry: Entry = {
        "identifier": identifier,
        "displayName": agent.spec.display_name or agent.name.agent,
        "type": CARD_TYPE,
        "mediaType": CARD_TYPE,
        "url": card_url(agent, base_url),
        "updatedAt": rfc3339(agent.updated_at),
    }
    optional = {
        "description": card.description[:MAX_DESCRIPTION],
        "version": card.version,
        "tags": _distinct(tag for skill in card.skills for tag in skill.tags),
        "capabilities": _distinct(skill.id for skill in card.skills),
        "representativeQueries": _queries(agent),
        "trustManifest": _trust_manifest(agent, identifier, entry["url"]),
    }
    return entry | {name: value for name, value in optional.items() if value}


def registry_entry(places: Places, base_url: str) -> Entry:
    """Return the entry by which a reader of the catalog finds the search of this registry (ARD 0.9 7)."""
    return {
        "identifier": f"urn:air:{places.publisher}:registry",
        "displayName": f"Agents of {places.publisher}",
        "type": REGISTRY_TYPE,
        "mediaType": REGISTRY_TYPE,
        "url": f"{base_url}/",
        "description": "Search, facets and lists of the agents that are published here: POST /search, POST /explore, "
        "GET /agents.",
    }


def card_url(agent: Agent, base_url: str) -> str:
    """Return where the card is, as it was registered."""
    return f"{base_url}/agents/{agent.name.namespace}/{agent.name.agent}/agent-card.json"


def _queries(agent: Agent) -> list[str]:
    examples = _distinct(example for skill in agent.card.skills for example in skill.examples)
    return examples[:MOST_QUERIES] if len(examples) >= FEWEST_QUERIES else []


def _trust_manifest(agent: Agent, identifier: str, url: str) -> Mapping[str, Any] | None:
    report = agent.signatures
    # `counts`: on a copy of somebody else's signed card the signature holds and says nothing of this agent.
    vouched = any(counts(verdict, str(agent.name)) and verdict.coverage is Coverage.FULL for verdict in report.verdicts)
    # Of the card that is served at the address, or of none: a canary's signature says nothing of the stable one.
    if not vouched or report.card_sha256 != agent.card.sha256 or published_number(agent) != agent.number:
        return None
    return {
        "identity": identifier,
        "identityType": "other",
        "attestations": [
            {
                "type": "agent-card-signature",
                "uri": url,
                "mediaType": CARD_TYPE,
                "digest": f"sha256:{agent.card.sha256}",
            }
        ],
    }


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))[:MAX_TAGS]
