"""Stories of decisions: a bundle, agents and questions in; the answer, with its whole trail, out.

What a check `gives` is written by hand. The trail beside it (every stage, rule, clause and near miss) and what the log
says of the decision are kept in `expected/`; `RINGFENCE_REGENERATE=1` writes them anew, and the diff is the review.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from ringfence_kit import records
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.case import Basis
from ringfence_pdp.compile import compile_files
from ringfence_pdp.decide import decide
from ringfence_pdp.decision_document import said
from ringfence_pdp.explain import Explanation, explain
from ringfence_pdp.facts import IdentityStatus, RegisteredTool
from ringfence_pdp.filters.finding import Origin
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.model import CheckRequest, Resource, Side, SideEffects
from support.pdp.world import FRESH, NOW, ask, basis, facts_of, identity, registered, tool

HERE = Path(__file__).parent / "decisions"
STORIES = sorted(HERE.glob("*.yaml"))


def told(story: dict[str, Any]) -> Basis:
    known: list[Any] = []
    for agent in story["agents"]:
        name = named(agent["agent"])
        status = IdentityStatus[agent.get("status", "ACTIVE")]
        environment = agent.get("environment", "prod")
        known.append(
            identity(
                name,
                ring=agent["ring"],
                score=agent.get("score"),
                status=status,
                environment=environment,
                tools=agent.get("certified tools"),
            )
        )
        if agent.get("registered", True):
            known.append(registered(name, retired=agent.get("retired", False), tools=agent.get("approved tools")))
    targets = [
        KillTarget(TargetKind[kind.upper()], value)
        for switch in story.get("switches", [])
        for kind, value in switch.items()
    ]
    compiled = compile_files([PolicyFile(path="bundle.yaml", content=story["policies"].encode())])
    age = Millis(story.get("identity_age_ms", FRESH))
    facts = facts_of(*known, tools=[registered_tool(**one) for one in story.get("tools", [])])
    return basis(compiled, facts=facts, switches=targets, identity_age=age, gated=story.get("gated environments", []))


def registered_tool(trusted_for_ms: int | None = None, **said: Any) -> RegisteredTool:
    until = None if trusted_for_ms is None else Instant(NOW + trusted_for_ms)
    return tool(**said, until=until)


def named(text: str) -> AgentName:
    name = AgentName.parse(text)
    assert name is not None
    return name


def asked(request: dict[str, Any]) -> CheckRequest:
    fields = dict(request)
    if "agent" in fields:
        fields["agent"] = named(fields["agent"])
    fields["resource"] = Resource(**fields.get("resource", {}))
    fields["side"] = Side[fields.get("side", "CALLER")]
    fields["side_effects"] = SideEffects[fields.get("side_effects", "UNKNOWN")]
    fields["origins"] = {pointer: Origin[word] for pointer, word in fields.get("origins", {}).items()}
    return ask(**fields)


def trail(explanation: Explanation) -> dict[str, Any]:
    verdict = explanation.decision.verdict
    return {
        "effect": verdict.effect.name,
        "reason": verdict.reason.name,
        "message": verdict.message,
        "ring": explanation.decision.ring,
        "score": explanation.decision.score,
        "determined by": list(verdict.rules),
        "rule reason": verdict.rule_reason,
        "approval": None if verdict.approval is None else records.decode(records.encode(verdict.approval), dict),
        "stages": {
            one.stage.value: f"{one.effect.name} {one.reason.name}: {one.message}" for one in explanation.stages
        },
        "rules": {
            f"{rule.rule} {rule.effect.name} {rule.result.name}": [
                f"{clause.text} -> {clause.result} ({clause.detail})" for clause in rule.clauses
            ]
            for rule in explanation.rules
        },
        "nearest misses": list(explanation.nearest_misses),
    }


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_is_decided_as_written_and_explained_as_kept(path: Path) -> None:
    story = yaml.safe_load(path.read_text())
    told_basis = told(story)
    trails = {}
    for check in story["checks"]:
        request = asked(check["request"])
        explanation = explain(told_basis, request)
        assert f"{explanation.decision.effect.name} {explanation.decision.reason.name}" == check["gives"], check["ask"]
        assert decide(told_basis, request) == explanation.decision
        identity = told_basis.facts.identity(request.did, request.agent, request.environment)
        record = said(explanation.decision, request, identity)
        trails[check["ask"]] = {**trail(explanation), "log record": json.loads(msgspec.json.encode(record))}
    kept = HERE / "expected" / path.name
    if os.environ.get("RINGFENCE_REGENERATE"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(yaml.safe_dump(trails, sort_keys=False, allow_unicode=True, width=1_000))
    assert trails == yaml.safe_load(kept.read_text())
