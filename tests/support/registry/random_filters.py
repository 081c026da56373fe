"""A mesh of agents and any number of filters over it, from one seed, each filter with its meaning worked out by hand.

Where `filter_oracle` draws filters for Hypothesis, which shrinks what fails, this draws them by the ten thousand. It
shares the oracle's readers and no code with the compiler: a filter's text and its meaning grow from the same draw.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ringfence_kit.clock import DAY, Instant
from ringfence_registry.cards.model import (
    CardCapabilities,
    CardDialect,
    CardFinding,
    CardInterface,
    CardSkill,
    CardVerdict,
    FindingKind,
    SchemeFacts,
    SchemeKind,
    Severity,
)
from ringfence_registry.finding.views import Circuit, Health, Slo, Trust
from ringfence_registry.model import (
    Agent,
    AgentSpec,
    AgentState,
    ApprovedTool,
    Deployment,
    Deprecation,
    Owner,
    RiskTier,
)

from support.registry.agents import an_agent
from support.registry.filter_oracle import MANY_TEXTS, ONE_TEXT, ORDER, SEARCHED, Said, glob, quote

NOW = Instant(1_767_225_600_000)
WORDS = (
    *("sql", "SQL", "etl", "pii", "gold", "a*b", "dev", "prod", "data", "ledger", "Ledger of the house", 'say "hi"'),
    *(
        "data-science",
        "café",
        "CAFÉ",
        "Straße",
        "発注 処理",
        "o'neil",
        "back\\slash",
        "x",
        "sales sql data",
        "datastore",
    ),
)
_TIMES = (NOW, Instant(NOW - 1), Instant(NOW - DAY), Instant(NOW + DAY), Instant(1))
_SCORES = (0, 1, 399, 400, 699, 700, 999, 1_000)

_FLAGS: dict[str, Callable[[Agent], bool | None]] = {
    "capabilities.streaming": lambda a: a.card.capabilities.streaming,
    "capabilities.push_notifications": lambda a: a.card.capabilities.push_notifications,
    "card.extended_agent_card": lambda a: a.card.capabilities.extended_agent_card,
}
_CHOICES: dict[str, tuple[tuple[str, ...], Callable[[Agent], list[str]]]] = {
    "state": (tuple(each.name for each in AgentState), lambda a: [a.state.name]),
    "risk_tier": (tuple(each.name for each in RiskTier), lambda a: [a.spec.risk_tier.name]),
    "verdict": (tuple(each.name for each in CardVerdict), lambda a: [a.card.verdict.name]),
    "dialect": (tuple(each.name for each in CardDialect), lambda a: [a.card.dialect.name]),
}
_MANY_CHOICES: dict[str, tuple[tuple[str, ...], Callable[[Agent], list[str]]]] = {
    "findings.kind": (tuple(each.name for each in FindingKind), lambda a: [f.kind.name for f in a.card.findings]),
    "findings.severity": (tuple(each.name for each in Severity), lambda a: [f.severity.name for f in a.card.findings]),
    "security_schemes.type": (
        tuple(each.value for each in SchemeKind),
        lambda a: [scheme.kind.value for scheme in a.card.security_schemes],
    ),
}
_INSTANTS: dict[str, Callable[[Agent], int | None]] = {
    "create_time": lambda a: a.created_at,
    "update_time": lambda a: a.updated_at,
    "retire_time": lambda a: a.retired_at,
    "deprecation.end_of_life_time": lambda a: None if a.deprecation is None else a.deprecation.end_of_life_at,
}
_GROUPS: dict[str, Callable[[Agent], bool]] = {
    "skills": lambda a: a.card.skills != (),
    "interfaces": lambda a: a.card.interfaces != (),
    "findings": lambda a: a.card.findings != (),
    "deployments": lambda a: a.spec.deployments != (),
    "deprecation": lambda a: a.deprecation is not None,
}


@dataclass(frozen=True)
class RandomMesh:
    """Agents, and what others say of them."""

    agents: tuple[Agent, ...]
    trust: dict[str, Trust]
    """By DID."""
    health: dict[str, Health]
    """By name."""


def random_mesh(dice: random.Random, count: int) -> RandomMesh:
    """Return a mesh of `count` agents."""
    agents = tuple(_agent(dice, number) for number in range(count))
    trust = {
        agent.spec.did: Trust(
            score=dice.choice(_SCORES), ring=dice.randrange(4), active=dice.random() < 0.8, heard_at=NOW
        )
        for agent in agents
        if agent.spec.did and dice.random() < 0.7
    }
    health = {
        str(agent.name): Health(
            circuit=dice.choice([None, *Circuit]),
            slo=dice.choice([None, *Slo]),
            error_rate=dice.choice([None, 0.0, 0.01, 0.5, 1.0]),
            latency_p95_ms=dice.choice([None, 10.0, 250.5]),
        )
        for agent in agents
        if dice.random() < 0.5
    }
    return RandomMesh(agents, trust, health)


def _agent(dice: random.Random, number: int) -> Agent:
    def some(most: int = 3) -> tuple[str, ...]:
        return tuple(dict.fromkeys(dice.choice(WORDS) for _ in range(dice.randint(0, most))))

    def maybe() -> str:
        return dice.choice(("", *WORDS))

    def maybe_flag() -> bool | None:
        return dice.choice((None, True, False))

    base = an_agent(f"a{number}", namespace=dice.choice(("fin", "fin-ops", "hr")))
    state = dice.choice(list(AgentState))
    facts = replace(
        base.card,
        name=dice.choice(WORDS),
        description=maybe(),
        version=dice.choice(WORDS),
        provider=maybe(),
        dialect=dice.choice(list(CardDialect)),
        verdict=dice.choice(list(CardVerdict)),
        interfaces=tuple(
            CardInterface(
                url=dice.choice(WORDS), protocol_binding=dice.choice(("GRPC", "JSONRPC", "")), protocol_version=""
            )
            for _ in range(dice.randint(0, 2))
        ),
        skills=tuple(
            CardSkill(id=maybe(), name=maybe(), description=maybe(), tags=some(), examples=some(2))
            for _ in range(dice.randint(0, 3))
        ),
        capabilities=CardCapabilities(
            streaming=maybe_flag(), push_notifications=maybe_flag(), extended_agent_card=maybe_flag()
        ),
        security_schemes=tuple(
            SchemeFacts(name="s", kind=dice.choice(list(SchemeKind))) for _ in range(dice.randint(0, 2))
        ),
        findings=tuple(
            CardFinding(dice.choice(list(FindingKind)), dice.choice(list(Severity)), "/name", "odd")
            for _ in range(dice.choice((0, 0, 1, 2)))
        ),
    )
    spec = AgentSpec(
        purpose=dice.choice(WORDS),
        owner=Owner(display_name=dice.choice(WORDS), contact=dice.choice(WORDS)),
        risk_tier=dice.choice(list(RiskTier)),
        environments=some(),
        display_name=maybe(),
        team=maybe(),
        data_classes=some(),
        approved_tools=tuple(
            ApprovedTool(name=dice.choice(WORDS), schema_hash=maybe()) for _ in range(dice.randint(0, 2))
        ),
        did=dice.choice(("", f"did:web:a{number}.example", "sql")),
        labels={key: maybe() for key in ("tier", "team", "a-b") if dice.random() < 0.5},
        deployments=tuple(
            Deployment(environment=dice.choice(WORDS), region=maybe()) for _ in range(dice.randint(0, 2))
        ),
    )
    deprecation = (
        Deprecation(reason="old", end_of_life_at=dice.choice((None, *_TIMES))) if dice.random() < 0.3 else None
    )
    return replace(
        base,
        spec=spec,
        card=facts,
        state=state,
        created_at=dice.choice(_TIMES),
        updated_at=dice.choice(_TIMES),
        retired_at=dice.choice(_TIMES) if state is AgentState.RETIRED else None,
        deprecation=deprecation,
        lease_expires_at=dice.choice((None, NOW, Instant(NOW + 1), Instant(NOW - DAY), Instant(NOW + DAY))),
        aliases={alias: 1 for alias in ("stable", "canary") if dice.random() < 0.4},
    )


class RandomFilters:
    """Draws filters over a mesh."""

    def __init__(self, dice: random.Random, mesh: RandomMesh) -> None:
        self._dice = dice
        self._mesh = mesh
        self._kinds = (
            *(self._one_text, self._one_text, self._many_texts, self._many_texts, self._choice, self._many_choices),
            *(self._flag, self._time, self._presence, self._group, self._bare, self._bare, self._trust, self._health),
            self._liveness,
        )

    def draw(self) -> Said:
        """Return a filter: sequences joined by AND, of factors joined by blanks, of terms joined by OR."""
        return self._expression(self._dice.randint(0, 2))

    def _expression(self, depth: int) -> Said:
        sequences = [self._sequence(depth) for _ in range(self._dice.choice((1, 1, 2)))]
        return _joined(sequences, " AND ", all)

    def _sequence(self, depth: int) -> Said:
        return _joined([self._factor(depth) for _ in range(self._dice.choice((1, 1, 2)))], " ", all)

    def _factor(self, depth: int) -> Said:
        return _joined([self._term(depth) for _ in range(self._dice.choice((1, 1, 2, 3)))], " OR ", any)

    def _term(self, depth: int) -> Said:
        if depth and self._dice.random() < 0.4:
            inner = self._expression(depth - 1)
            said = Said(f"({inner.text})", inner.means)
        else:
            said = self._dice.choice(self._kinds)()
        sign = self._dice.choice(("", "", "", "NOT ", "-"))
        return Said(sign + said.text, lambda a: not said.means(a)) if sign else said

    def _value(self) -> tuple[str, re.Pattern[str], str]:
        word = self._dice.choice(WORDS)
        if self._dice.random() < 0.3:
            cut = self._dice.randint(0, len(word))
            pattern = word[:cut] + "*" + word[min(len(word), cut + self._dice.randint(0, 3)) :]
            return quote(pattern, wild=True), glob(pattern), pattern
        return quote(word, wild=False), re.compile(re.escape(word)), word

    def _one_text(self) -> Said:
        field, read = self._dice.choice(sorted(ONE_TEXT.items()))
        written, pattern, plain = self._value()
        comparator = self._dice.choice(("=", "=", "!=", ":", ":", "<", "<=", ">", ">="))
        if comparator == ":":
            return Said(f"{field}:{written}", lambda a: read(a) != "" and _inside(pattern, read(a)))
        if comparator in {"=", "!="}:
            return Said(
                f"{field} {comparator} {written}",
                lambda a: read(a) != "" and bool(pattern.fullmatch(read(a))) is (comparator == "="),
            )
        return Said(
            f"{field}{comparator}{quote(plain, wild=False)}",
            lambda a: read(a) != "" and ORDER[comparator](read(a), plain),
        )

    def _many_texts(self) -> Said:
        field, read = self._dice.choice(sorted(MANY_TEXTS.items()))
        written, pattern, _ = self._value()
        return Said(f"{field}:{written}", lambda a: any(pattern.fullmatch(each) for each in read(a)))

    def _choice(self) -> Said:
        field, (names, read) = self._dice.choice(sorted(_CHOICES.items()))
        wanted, comparator = self._dice.choice(names), self._dice.choice(("=", ":", "!="))
        return Said(f"{field}{comparator}{wanted}", lambda a: (read(a) == [wanted]) is (comparator != "!="))

    def _many_choices(self) -> Said:
        field, (names, read) = self._dice.choice(sorted(_MANY_CHOICES.items()))
        wanted = self._dice.choice(names)
        return Said(f"{field}:{wanted}", lambda a: wanted in read(a))

    def _flag(self) -> Said:
        field, read = self._dice.choice(sorted(_FLAGS.items()))
        wanted, comparator = self._dice.choice((True, False)), self._dice.choice(("=", "!="))
        text = f"{field} {comparator} {str(wanted).lower()}"
        return Said(text, lambda a: read(a) is not None and (read(a) is wanted) is (comparator == "="))

    def _time(self) -> Said:
        field, read = self._dice.choice(sorted(_INSTANTS.items()))
        comparator, instant = self._dice.choice(sorted(ORDER)), self._dice.choice(_TIMES)
        written = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant)).isoformat()

        def means(agent: Agent) -> bool:
            value = read(agent)
            return value is not None and ORDER[comparator](value, instant)

        return Said(f'{field} {comparator} "{written}"', means)

    def _presence(self) -> Said:
        field, read = self._dice.choice([*sorted(ONE_TEXT.items()), *sorted(MANY_TEXTS.items())])
        return Said(f"{field}:*", lambda a: len(read(a)) > 0)

    def _group(self) -> Said:
        field, read = self._dice.choice(sorted(_GROUPS.items()))
        return Said(f"{field}:*", read)

    def _bare(self) -> Said:
        written, pattern, _ = self._value()
        return Said(written, lambda a: any(text and _inside(pattern, text) for texts in SEARCHED for text in texts(a)))

    def _trust(self) -> Said:
        trust = self._mesh.trust
        if self._dice.random() < 0.3:
            wanted = self._dice.choice((True, False))
            return Said(
                f"trust.active = {str(wanted).lower()}",
                lambda a: a.spec.did in trust and trust[a.spec.did].active is wanted,
            )
        field, comparator = self._dice.choice(("score", "ring")), self._dice.choice(sorted(ORDER))
        bound = self._dice.choice(_SCORES if field == "score" else range(4))
        return Said(
            f"trust.{field} {comparator} {bound}",
            lambda a: a.spec.did in trust and ORDER[comparator](getattr(trust[a.spec.did], field), bound),
        )

    def _health(self) -> Said:
        health = self._mesh.health
        if self._dice.random() < 0.5:
            circuit = self._dice.choice(list(Circuit))
            return Said(
                f"health.circuit = {circuit.name}",
                lambda a: str(a.name) in health and health[str(a.name)].circuit is circuit,
            )
        comparator, bound = self._dice.choice(sorted(ORDER)), self._dice.choice((0, 0.01, 0.2, 1))

        def means(agent: Agent) -> bool:
            rate = health[str(agent.name)].error_rate if str(agent.name) in health else None
            return rate is not None and ORDER[comparator](rate, bound)

        return Said(f"health.error_rate {comparator} {bound}", means)

    def _liveness(self) -> Said:
        wanted = self._dice.choice(("NO_LEASE", "LEASED", "EXPIRED"))

        def means(agent: Agent) -> bool:
            end = agent.lease_expires_at
            return wanted == ("NO_LEASE" if end is None else "LEASED" if end > NOW else "EXPIRED")

        return Said(f"liveness = {wanted}", means)


def _joined(parts: list[Said], word: str, fold: Callable[[list[bool]], bool]) -> Said:
    if len(parts) == 1:
        return parts[0]
    return Said(word.join(part.text for part in parts), lambda a: fold([part.means(a) for part in parts]))


def _inside(pattern: re.Pattern[str], text: str) -> bool:
    # Folding before matching would fold the escapes too; words that fold to other lengths are covered by this order.
    return re.search(_folded(pattern.pattern), text.casefold(), re.DOTALL) is not None


def _folded(pattern: str) -> str:
    return pattern.casefold()
