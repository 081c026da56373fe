"""Running tests of policies: the decision itself, over a mesh that has only what the test says.

What decides is what decides in production: `decide`, the limits of the bundle with their counters, and the approvals
it asks for. Nothing is looked up elsewhere, so a test gives the same answer everywhere and always.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.trust_decay import BASELINE, MICRO, TrustState

from ringfence_pdp.case import Basis
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.decide import decide
from ringfence_pdp.facts import AgentIdentity, Facts, IdentityStatus, RegisteredAgent, RegisteredTool
from ringfence_pdp.kill_switch import KillSwitches
from ringfence_pdp.limits.counters import Refusal
from ringfence_pdp.limits.memory_counters import MemoryCounters
from ringfence_pdp.limits.metering import Metering, refused
from ringfence_pdp.model import CheckRequest, Decision, Effect, Reason, Stage, Target, Verdict
from ringfence_pdp.policy_tests.contents import NO_CONTRACT
from ringfence_pdp.policy_tests.written import Cast, PolicyTest

_SCORES = (950, 750, 500, 300)
"""A score that bears out each ring."""

_HEARD = Millis(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one test went."""

    test: PolicyTest
    problems: tuple[str, ...]
    """What did not come out as expected, in sentences; empty when the test passed."""

    @property
    def passed(self) -> bool:
        """Say whether all came out as expected."""
        return not self.problems


def run(test: PolicyTest, bundle: CompiledBundle) -> Result:
    """Return how a test goes."""
    return Result(test=test, problems=tuple(_differences(test, answer(test, bundle), bundle)))


def answer(test: PolicyTest, bundle: CompiledBundle) -> Decision:
    """Return what the policies say to the question of a test."""
    request = _request(test, bundle)
    basis = Basis(
        bundle=bundle,
        kill_switches=KillSwitches(),
        facts=_facts(test, request),
        now=test.now,
        identity_age=_HEARD,
        gated_environments=frozenset(),
    )
    decision = decide(basis, request)
    if decision.effect is not Effect.DENY and bundle.limits:
        decision = _limited(test, basis, request, decision)
    return _approved(test, decision)


def _limited(test: PolicyTest, basis: Basis, request: CheckRequest, decision: Decision) -> Decision:
    """What is left of the decision when so much of the limits was used before."""
    counters = MemoryCounters()
    metering = Metering(counters)
    for charge in metering.charges(basis, request, decision):
        used = test.counters.get(charge.meter.id, 0)
        if used and isinstance(counters.reserve([charge._replace(amount=used)], basis.now), Refusal):
            verdict = _more_than_there_is(charge.meter.id, used, charge.meter.limit.burst)
            return Decision(verdict, decision.ring, decision.score, findings=decision.findings)
    counted = metering.reserve(basis, request, decision)
    if not isinstance(counted, Refusal):
        return decision
    return Decision(refused(counted), decision.ring, decision.score, findings=decision.findings)


def _more_than_there_is(limit: str, used: int, there: int) -> Verdict:
    message = f"the test says that {used} of {limit} are used, and there are only {there}"
    return Verdict(stage=Stage.LIMITS, effect=Effect.DENY, reason=Reason.REQUEST_INVALID, message=message)


def _approved(test: PolicyTest, decision: Decision) -> Decision:
    """What is left to ask for when so many people approved."""
    asked = decision.verdict.approval
    if asked is None or test.approvals < asked.min_approvals or not test.groups >= set(asked.approver_groups):
        return decision
    given = f"{test.approvals} people approved"
    verdict = replace(decision.verdict, effect=Effect.ALLOW, reason=Reason.ALLOWED, message=given, approval=None)
    return decision._replace(verdict=verdict)


def _request(test: PolicyTest, bundle: CompiledBundle) -> CheckRequest:
    asking = test.asking
    cast = test.agents[asking.agent]
    return CheckRequest(
        action=asking.action,
        environment=asking.environment or cast.environment,
        agent=cast.name,
        tool=asking.tool,
        side_effects=asking.side_effects,
        arguments=lambda: asking.arguments,
        context=lambda: asking.context,
        resource=asking.resource,
        side=asking.side,
        session=asking.session,
        target=None if asking.target is None else Target(agent=test.agents[asking.target].name),
        chain=tuple(str(test.agents[name].name) for name in asking.chain),
        supported_obligations=_everything(bundle) if asking.supports is None else asking.supports,
        usage=asking.usage,
        protocol=asking.protocol,
        origins=asking.origins,
        heard=asking.heard,
    )


def _everything(bundle: CompiledBundle) -> frozenset[str]:
    return frozenset(obligation.type for rule in bundle.rules for obligation in rule.obligations)


def _facts(test: PolicyTest, request: CheckRequest) -> Facts:
    facts = Facts()
    used = () if request.tool is None else (request.tool,)
    for cast in test.agents.values():
        tools = dict.fromkeys(used if cast.tools is None else cast.tools, "")
        facts.put_identity(_identity(cast, tools, test.now))
        facts.registered[str(cast.name)] = RegisteredAgent(
            name=cast.name,
            retired=False,
            environments=frozenset(one.environment for one in test.agents.values() if one.name == cast.name),
            approved_tools=tools,
            owner=cast.owner,
            team=cast.team,
            risk_tier=cast.risk_tier,
            data_classes=cast.data_classes,
            labels=cast.labels,
        )
    for name in used:
        says = test.tools.get(name, NO_CONTRACT)
        facts.tools[name] = RegisteredTool(
            name=name,
            schema_hash="",
            enabled=True,
            systems_trusted=True,
            argument_types=says.types,
            external_sink=says.external_sink,
            effects=says.effects,
        )
    return facts


def _identity(cast: Cast, tools: dict[str, str], now: Instant) -> AgentIdentity:
    points = _SCORES[cast.ring] if cast.trust is None else cast.trust
    trust = TrustState(
        earned=max(points - BASELINE, 0) * MICRO,
        debt=max(BASELINE - points, 0) * MICRO,
        last_positive_at=now,
        last_event_at=now,
        stored_ring=cast.ring,
        ring_zero_until=Instant(now + DAY),
    )
    return AgentIdentity(
        did=f"did:test:{cast.environment}:{cast.name}",
        name=cast.name,
        resource_name=str(cast.name),
        environment=cast.environment,
        status=IdentityStatus.ACTIVE,
        trust=trust,
        ring_ceiling=0,
        approved_tools=tools,
    )


def _differences(test: PolicyTest, decision: Decision, bundle: CompiledBundle) -> Sequence[str]:
    expected, verdict = test.expected, decision.verdict
    unknown = sorted(test.counters.keys() - {limit.id for limit in bundle.limits})
    problems = [f"there is no limit {limit!r} to count" for limit in unknown]
    obligations = tuple(sorted(_spelled(expected.obligations, decision)))
    compared = [
        ("effect", expected.effect.name, decision.effect.name),
        ("reason", None if expected.reason is None else expected.reason.name, decision.reason.name),
        ("rule_reason", expected.rule_reason, verdict.rule_reason),
        ("rules", _joined(expected.rules), _joined(verdict.rules)),
        ("obligations", _joined(expected.obligations), _joined(obligations)),
        ("findings", _joined(expected.findings), _joined({finding.id for finding in decision.findings})),
    ]
    for what, wanted, got in compared:
        if wanted is not None and wanted != got:
            problems.append(f"expected {what} {wanted or 'none'}, got {got or 'none'}: {verdict.message}")
    return problems


def _joined(texts: Collection[str] | None) -> str | None:
    return None if texts is None else ", ".join(sorted(texts))


def _spelled(expected: Sequence[str] | None, decision: Decision) -> list[str]:
    """The obligations, each as `type` where the test calls it so, else as `type/id`."""
    short = set(expected or ())
    return [one.type if one.type in short else f"{one.type}/{one.id}" for one in decision.obligations]
