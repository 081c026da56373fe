"""A small mesh to decide about: agents with a ring and tools, a bundle, the moment; every part can be changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ringfence_kit.clock import DAY, EPOCH, Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import BASELINE, MICRO, TrustState
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.case import Basis
from ringfence_pdp.compile import CompiledBundle, compile_files
from ringfence_pdp.facts import AgentIdentity, Facts, IdentityStatus, RegisteredAgent, RegisteredTool
from ringfence_pdp.kill_switch import KillSwitch, KillSwitches, KillTarget
from ringfence_pdp.model import CheckRequest, Resource

NOW = Instant(1_767_225_600_000)
FRESH = Millis(200)

SCORES = {0: 950, 1: 750, 2: 500, 3: 300}
"""A score that bears out each ring."""

ANALYST = AgentName("data", "analyst-1")

TOOLS = ("warehouse.query", "warehouse.export", "shell.run")
HASH = f"sha256-{'a' * 64}"
"""Of the schema every tool has unless a test says otherwise."""


def trust(ring: int, score: int | None = None) -> TrustState:
    """The trust of an agent that is in `ring` now."""
    points = SCORES[ring] if score is None else score
    earned, debt = max(points - BASELINE, 0) * MICRO, max(BASELINE - points, 0) * MICRO
    until = Instant(NOW + 30 * DAY) if ring == 0 else EPOCH
    return TrustState(
        earned=earned, debt=debt, last_positive_at=NOW, last_event_at=NOW, stored_ring=ring, ring_zero_until=until
    )


def identity(
    name: AgentName = ANALYST,
    *,
    ring: int = 2,
    score: int | None = None,
    environment: str = "prod",
    status: IdentityStatus = IdentityStatus.ACTIVE,
    tools: Mapping[str, str] | None = None,
    ring_ceiling: int = 0,
    **told: Any,
) -> AgentIdentity:
    return AgentIdentity(
        did=f"did:webvh:{name.agent}:{environment}",
        name=name,
        resource_name=str(name),
        environment=environment,
        status=status,
        trust=trust(ring, score),
        ring_ceiling=ring_ceiling,
        approved_tools={"warehouse.query": "", "warehouse.export": ""} if tools is None else tools,
        **{"certificate_hash": "bc", "revocation_epoch": 1, **told},
    )


def registered(
    name: AgentName = ANALYST,
    *,
    tools: Mapping[str, str] | None = None,
    environments: Sequence[str] = ("dev", "prod"),
    retired: bool = False,
    **facts: Any,
) -> RegisteredAgent:
    return RegisteredAgent(
        name=name,
        retired=retired,
        environments=frozenset(environments),
        approved_tools={"warehouse.query": "", "warehouse.export": ""} if tools is None else tools,
        **{"risk_tier": "low", "owner": "Ada", **facts},
    )


def tool(
    name: str = "warehouse.query",
    *,
    schema_hash: str = HASH,
    enabled: bool = True,
    trusted: bool = True,
    until: Instant | None = None,
    **told: Any,
) -> RegisteredTool:
    return RegisteredTool(
        name=name, schema_hash=schema_hash, enabled=enabled, systems_trusted=trusted, trust_expires_at=until, **told
    )


EVERY_TOOL = tuple(map(tool, TOOLS))


def facts_of(
    *known: AgentIdentity | RegisteredAgent, tools: Iterable[RegisteredTool] = EVERY_TOOL, **told: Any
) -> Facts:
    facts = Facts(identity_revision=7, registry_revision=5, tools={each.name: each for each in tools}, **told)
    for one in known or (identity(), registered()):
        if isinstance(one, AgentIdentity):
            facts.put_identity(one)
        else:
            facts.registered[str(one.name)] = one
    return facts


def bundle(*texts: str) -> CompiledBundle:
    files = [PolicyFile(path=f"{place}.yaml", content=text.encode()) for place, text in enumerate(texts)]
    return compile_files(files)


def policy(*rules: str, name: str = "p", governs: str = "{}") -> str:
    """A policy document with rules written as flow mappings."""
    listed = "\n".join(f"    - {rule}" for rule in rules)
    head = f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n  governs: {governs}\n  rules:\n{listed}\n"


ALLOW_ALL = policy("{name: all, match: {actions: ['*']}, effect: ALLOW}")


def basis(
    compiled: CompiledBundle | None = None,
    *,
    facts: Facts | None = None,
    switches: Sequence[KillTarget] = (),
    now: Instant = NOW,
    identity_age: Millis | None = FRESH,
    gated: Collection[str] = (),
    audiences: Collection[str] = (),
    proofs_at: Instant = EPOCH,
) -> Basis:
    engaged = {
        f"killSwitches/{place}": KillSwitch(
            name=f"killSwitches/{place}", target=target, reason="it misbehaves", actor="dev:operator", engaged_at=EPOCH
        )
        for place, target in enumerate(switches)
    }
    return Basis(
        bundle=compiled,
        kill_switches=KillSwitches(engaged),
        facts=facts if facts is not None else facts_of(),
        now=now,
        identity_age=identity_age,
        gated_environments=frozenset(gated),
        audiences=frozenset(audiences),
        proofs_at=proofs_at,
    )


def ask(
    action: str = "read_table",
    *,
    arguments: Mapping[str, object] | None = None,
    context: Mapping[str, object] | None = None,
    resource: Resource | None = None,
    **fields: Any,
) -> CheckRequest:
    if "did" not in fields and "agent" not in fields:
        fields["agent"] = ANALYST
    return CheckRequest(
        action=action,
        arguments=lambda: dict(arguments or {}),
        context=lambda: dict(context or {}),
        resource=resource or Resource(),
        **{"environment": "prod", **fields},
    )
