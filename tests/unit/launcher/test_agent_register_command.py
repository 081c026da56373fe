"""`ringfence agent register` in one step: what the card says, what a file says, what flags say; and what is shown."""

import getpass
import json
from pathlib import Path

import pytest
from rich.console import Console
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.views.agents import registered
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

CARD = {
    "name": "Ledger  Reconciler (EU)",
    "description": "Reconciles\n the ledger.",
    "provider": {"organization": "Example Corp", "url": "https://example.com"},
}


@pytest.fixture
def card(nowhere: Path) -> str:
    return written(nowhere, CARD)


def written(folder: Path, card: object, name: str = "card.json") -> str:
    (folder / name).write_text(json.dumps(card))
    return name


def sent(mesh: FakeMesh) -> pb.RegisterAgentRequest:
    request = mesh.sent("RegisterAgent")
    assert isinstance(request, pb.RegisterAgentRequest)
    return request


def test_a_card_alone_is_enough_and_what_was_assumed_is_said(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    ended = ringfence("agent", "register", "--card", card)
    assert ended.code == 0, ended.err
    assert (sent(mesh).parent, sent(mesh).agent_id) == ("namespaces/default", "ledger-reconciler-eu")
    assert sent(mesh).card == json.dumps(CARD).encode()
    assert sent(mesh).agent == pb.Agent(
        purpose="Reconciles the ledger.",
        owner=pb.Owner(display_name="Example Corp", contact="https://example.com"),
        risk_tier=pb.RISK_TIER_MEDIUM,
        environments=["dev"],
    )
    for source in ("the card's description", "the card's provider", "risk: medium", "environment: dev"):
        assert source in ended.err


def test_a_card_without_a_provider_is_owned_by_who_registers_it(
    ringfence: CommandLine, mesh: FakeMesh, nowhere: Path
) -> None:
    ended = ringfence("agent", "register", "--card", written(nowhere, {"name": "Bare"}), "--namespace", "sales")
    assert sent(mesh).agent.owner.display_name == getpass.getuser()
    assert sent(mesh).agent.owner.contact.startswith(f"{getpass.getuser()}@")
    assert sent(mesh).agent.purpose == "Bare"
    assert sent(mesh).parent == "namespaces/sales"
    assert "who is logged in here" in ended.err


def test_what_is_said_is_never_assumed(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    said = ("--purpose", "p", "--owner", "Ada <ada@example.com>", "--risk", "critical", "-e", "prod", "-e", "dev")
    ended = ringfence("agent", "register", "demo/a", "--card", card, *said)
    assert "assumed" not in ended.err
    assert sent(mesh).agent.risk_tier == pb.RISK_TIER_CRITICAL
    assert list(sent(mesh).agent.environments) == ["prod", "dev"]


def test_a_file_says_the_same_and_flags_go_first(
    ringfence: CommandLine, mesh: FakeMesh, card: str, nowhere: Path
) -> None:
    (nowhere / "agent.yaml").write_text(
        "name: namespaces/sales/agents/analyst\npurpose: From the file.\nriskTier: RISK_TIER_HIGH\n"
        "owner: {displayName: Ada, contact: ada@example.com}\nenvironments: [staging]\n"
        "approvedTools: [{name: a.b}]\nescalationPath: [{contact: 'tel:1', wait: 60s}]\n"
    )
    ended = ringfence(
        "agent", "register", "--card", card, "--file", "agent.yaml", "-e", "prod", "--tool", "c.d@sha256-e"
    )
    assert ended.code == 0, ended.err
    assert (sent(mesh).parent, sent(mesh).agent_id) == ("namespaces/sales", "analyst")
    agent = sent(mesh).agent
    assert (agent.purpose, agent.risk_tier, list(agent.environments)) == ("From the file.", pb.RISK_TIER_HIGH, ["prod"])
    assert [(tool.name, tool.schema_hash) for tool in agent.approved_tools] == [("c.d", "sha256-e")]
    assert agent.escalation_path[0].wait.seconds == 60
    assert "assumed" not in ended.err


def test_a_file_with_a_field_nobody_knows_is_refused(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    Path("agent.yaml").write_text("purpos: typo\n")
    ended = ringfence("agent", "register", "--card", card, "--file", "agent.yaml")
    assert ended.code == ExitCode.CONFIGURATION
    assert "purpos" in ended.err
    assert not mesh.calls


def test_every_option_reaches_the_registry(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    options = ("--escalate", "ada@example.com 15m", "--escalate", "https://pager.example.com/?a=b", "--policy", "p1")
    more = ("--evaluation-plan", "plan", "--slo", "slo-1", "--runs", "prod@eu-west-1=k8s://x=y", "--runs", "dev")
    ended = ringfence("agent", "register", "demo/a", "--card", card, *options, *more, "--draft", "--lease", "1h")
    assert ended.code == 0, ended.err
    agent = sent(mesh).agent
    assert [(step.contact, step.wait.seconds) for step in agent.escalation_path] == [
        ("ada@example.com", 900),
        ("https://pager.example.com/?a=b", 0),
    ]
    assert [(where.environment, where.region, where.location) for where in agent.deployments] == [
        ("prod", "eu-west-1", "k8s://x=y"),
        ("dev", "", ""),
    ]
    assert (list(agent.policies), agent.evaluation_plan, agent.slo) == (["p1"], "plan", "slo-1")
    assert sent(mesh).as_draft
    assert sent(mesh).lease_ttl.seconds == 3_600


@pytest.mark.parametrize("typed", ["", "a b c", "ada@example.com soon", "ada@example.com 15"])
def test_a_step_of_an_escalation_is_a_contact_and_a_wait(
    ringfence: CommandLine, mesh: FakeMesh, card: str, typed: str
) -> None:
    assert ringfence("agent", "register", "demo/a", "--card", card, "--escalate", typed).code == ExitCode.USAGE
    assert not mesh.calls


@pytest.mark.parametrize("name", ["", "日本語", "---", "42"])
def test_a_card_whose_name_makes_no_id_needs_a_name(
    ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, name: str
) -> None:
    ended = ringfence("agent", "register", "--card", written(nowhere, {"name": name}))
    assert ended.code == ExitCode.USAGE
    assert "NAMESPACE/AGENT" in ended.err
    assert not mesh.calls


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b'{"name": 7, "provider": []}', b"[" * 5_000])
def test_what_is_no_card_gives_no_defaults_and_is_the_registrys_to_judge(
    ringfence: CommandLine, mesh: FakeMesh, nowhere: Path, content: bytes
) -> None:
    (nowhere / "card.json").write_bytes(content)
    ringfence("agent", "register", "demo/a", "--card", "card.json")
    assert sent(mesh).card == content
    assert sent(mesh).agent.purpose == ""


def test_verdict_findings_similar_agents_and_gates_are_shown(ringfence: CommandLine, mesh: FakeMesh, card: str) -> None:
    view = pb.CardView(size_bytes=9, verdict=card_pb2.CARD_VERDICT_UPCONVERTED)
    view.reasons.add(pointer="/url", problem="is of 0.3", rule="A2A 1.0 5.7")
    view.findings.add(pointer="/description", problem="holds a key", kind=card_pb2.FINDING_KIND_SECRET)
    view.signatures.add(index=0, status=card_pb2.SIGNATURE_STATUS_VERIFIED, signer="did:web:x")
    mesh.registry.registered_with.agent.card.CopyFrom(view)
    mesh.registry.registered_with.similar_agents.add(
        name="namespaces/sales/agents/twin", score=0.91, agreeing_fields=["skills.tags"], purpose="The same."
    )
    mesh.registry.registered_with.unmet_gates.add(
        kind=pb.READINESS_GATE_KIND_SLO, problem="it has no objective", remedy="set slo"
    )
    ended = ringfence("agent", "register", "demo/a", "--card", card)
    for shown in (
        *("upconverted", "is of 0.3 (A2A 1.0 5.7)", "holds a key [SECRET]", "verified, did:web:x"),
        *("0.91", "sales/twin", "skills.tags", "slo", "it has no objective", "set slo"),
    ):
        assert shown in ended.out
    assert "ringfence agent submit demo/a" in ended.err


def test_a_program_gets_the_whole_answer(ringfence: CommandLine, card: str) -> None:
    answer = ringfence("agent", "register", "demo/a", "--card", card, "-o", "json").json
    assert answer["agent"]["name"] == "namespaces/demo/agents/a"
    assert answer["similarAgents"] == []
    assert answer["unmetGates"] == []


@pytest.mark.parametrize("breaks", [True, False])
def test_a_card_admitted_though_it_breaks_rules_is_shown_with_what_is_wrong(breaks: bool) -> None:
    verdict = card_pb2.CARD_VERDICT_NONCONFORMANT if breaks else card_pb2.CARD_VERDICT_UPCONVERTED
    reason = card_pb2.CardReason(pointer="/description", problem="must be a string", rule="A2A 1.0 4.4.1")
    card = pb.CardView(size_bytes=3, display_name="Ledger", verdict=verdict, reasons=[reason])
    console = Console(width=200, color_system=None, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(registered(pb.RegisterAgentResponse(agent=pb.Agent(card=card))))
    assert "must be a string (A2A 1.0 4.4.1)" in captured.get()
    assert ("admitted all the same" in captured.get()) is breaks
