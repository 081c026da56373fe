"""Agents for the registry's benches: invented, varied, and of the size of real ones, from a seed.

Words follow Zipf's law over 20,000 invented ones, as in texts: some are said by nearly every agent, most by a few.
A card is about 3 KB of JSON with five skills.
"""

import hashlib
import itertools
import json
import random
from collections.abc import Iterator

from ringfence_kit.clock import DAY, Instant
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName
from ringfence_registry.cards.model import (
    CardCapabilities,
    CardDialect,
    CardFacts,
    CardInterface,
    CardSkill,
    CardVerdict,
    SchemeFacts,
    SchemeKind,
)
from ringfence_registry.model import Agent, AgentSpec, AgentState, ApprovedTool, Deployment, Owner, RiskTier

NOW = Instant(1_767_225_600_000)
VOCABULARY = 20_000
NAMESPACES = 500

_SYLLABLES = [consonant + vowel for consonant in "bcdfghklmnprstvz" for vowel in "aeiou"]
_REGIONS = ("eu-west-1", "eu-north-1", "us-east-1", "ap-south-1")
_CLASSES = ("pii", "payments", "public", "internal", "health", "logs")


class Corpus:
    """Draws agents."""

    def __init__(self, seed: int = 7) -> None:
        self.dice = random.Random(seed)
        words: set[str] = set()
        while len(words) < VOCABULARY:
            words.add("".join(self.dice.choice(_SYLLABLES) for _ in range(self.dice.randint(2, 5))))
        self.words = sorted(words)
        self.dice.shuffle(self.words)
        self._weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(VOCABULARY)))

    def text(self, count: int) -> str:
        """Return `count` words."""
        return " ".join(self.dice.choices(self.words, cum_weights=self._weights, k=count))

    def agents(self, count: int) -> Iterator[tuple[Agent, bytes]]:
        """Yield agents with their cards."""
        for number in range(count):
            facts, body = self.card(number)
            yield self.agent(number, facts), body

    def agent(self, number: int, facts: CardFacts) -> Agent:
        """Return an agent with the card of `facts`."""
        dice = self.dice
        team = f"team-{dice.randrange(400)}"
        return Agent(
            name=AgentName(f"team-{number % NAMESPACES}", f"agent-{number:06}"),
            uid=f"{number:08d}-0000-4000-8000-000000000000",
            revision=Revision(number + 1),
            spec=AgentSpec(
                purpose=self.text(14),
                owner=Owner(display_name=f"Person {number % 5_000}", contact=f"person{number % 5_000}@example.com"),
                risk_tier=dice.choice(list(RiskTier)),
                environments=("dev", "staging", "prod")[: dice.randint(1, 3)],
                display_name=facts.name,
                team=team,
                data_classes=tuple(sorted(dice.sample(_CLASSES, dice.randint(0, 3)))),
                approved_tools=tuple(ApprovedTool(name=f"tool.{dice.randrange(300)}") for _ in range(3)),
                did=f"did:webvh:Qm{number:044d}:prod.id.ringfence.internal",
                labels={"team": team, "cost": str(dice.randrange(50))},
                deployments=(Deployment(environment="prod", region=dice.choice(_REGIONS)),),
            ),
            card=facts,
            state=dice.choices([AgentState.ACTIVE, AgentState.DRAFT, AgentState.RETIRED], [90, 7, 3])[0],
            created_at=Instant(NOW - dice.randrange(300 * DAY)),
            updated_at=Instant(NOW - dice.randrange(DAY)),
        )

    def card(self, number: int) -> tuple[CardFacts, bytes]:
        """Return a card of A2A 1.0, and what is kept of it."""
        skills = tuple(
            CardSkill(
                id=f"skill-{self.dice.randrange(2_000)}",
                name=self.text(3),
                description=self.text(14),
                tags=tuple(dict.fromkeys(self.text(4).split())),
                examples=(self.text(7), self.text(7)),
            )
            for _ in range(5)
        )
        name, description = self.text(3).title(), self.text(25)
        card = {
            "name": name,
            "description": description,
            "version": f"1.{number % 40}.0",
            "supportedInterfaces": [
                {"url": f"https://agent-{number}.example.com/a2a", "protocolBinding": binding, "protocolVersion": "1.0"}
                for binding in ("JSONRPC", "GRPC")
            ],
            "provider": {"organization": f"Provider {number % 300}", "url": "https://provider.example.com"},
            "capabilities": {"streaming": number % 2 == 0, "pushNotifications": number % 3 == 0},
            "securitySchemes": {
                "oauth": {
                    "oauth2SecurityScheme": {
                        "flows": {
                            "clientCredentials": {
                                "tokenUrl": "https://id.example.com/token",
                                "scopes": {"read": "Reads."},
                            }
                        }
                    }
                }
            },
            "defaultInputModes": ["text/plain", "application/json"],
            "defaultOutputModes": ["text/plain"],
            "skills": [
                {"id": s.id, "name": s.name, "description": s.description, "tags": s.tags, "examples": s.examples}
                for s in skills
            ],
        }
        body = json.dumps(card, indent=1).encode()
        facts = CardFacts(
            sha256=hashlib.sha256(body).hexdigest(),
            size=len(body),
            dialect=CardDialect.V1_0,
            name=name,
            description=description,
            version=f"1.{number % 40}.0",
            verdict=CardVerdict.VALID,
            provider=f"Provider {number % 300}",
            protocol_versions=("1.0",),
            interfaces=tuple(
                CardInterface(
                    url=f"https://agent-{number}.example.com/a2a", protocol_binding=binding, protocol_version="1.0"
                )
                for binding in ("JSONRPC", "GRPC")
            ),
            skills=skills,
            capabilities=CardCapabilities(streaming=number % 2 == 0, push_notifications=number % 3 == 0),
            security_schemes=(SchemeFacts(name="oauth", kind=SchemeKind.OAUTH2),),
            input_modes=("text/plain", "application/json"),
            output_modes=("text/plain",),
        )
        return facts, body
