"""Which switch stops what."""

import pytest
from ringfence_kit.clock import EPOCH
from ringfence_kit.names import AgentName
from ringfence_pdp.kill_switch import KillSwitch, KillSwitches, KillTarget, TargetKind

ANALYST = AgentName("sales", "analyst")
TARGETS = {
    "everything": KillTarget(TargetKind.EVERYTHING),
    "namespace": KillTarget(TargetKind.NAMESPACE, "sales"),
    "agent": KillTarget(TargetKind.AGENT, "namespaces/sales/agents/analyst"),
    "tool": KillTarget(TargetKind.TOOL, "warehouse.export"),
}


def switch(name: str, target: KillTarget) -> KillSwitch:
    return KillSwitch(name=name, target=target, reason="it misbehaves", actor="dev:operator", engaged_at=EPOCH)


def engaged(*targets: KillTarget) -> KillSwitches:
    return KillSwitches({str(target): switch(str(target), target) for target in targets})


@pytest.mark.parametrize("kind", TARGETS)
def test_each_kind_of_switch_stops_what_it_covers(kind: str) -> None:
    stopping = engaged(TARGETS[kind]).stopping(ANALYST, "warehouse.export")
    assert stopping is not None
    assert stopping.target == TARGETS[kind]


@pytest.mark.parametrize(
    "target",
    [
        KillTarget(TargetKind.NAMESPACE, "finance"),
        KillTarget(TargetKind.AGENT, "namespaces/finance/agents/analyst"),
        KillTarget(TargetKind.AGENT, "namespaces/sales/agents/analyst-2"),
        KillTarget(TargetKind.TOOL, "warehouse"),
    ],
    ids=str,
)
def test_a_switch_stops_nothing_else(target: KillTarget) -> None:
    assert engaged(target).stopping(ANALYST, "warehouse.export") is None


def test_a_tool_switch_leaves_requests_without_a_tool_alone() -> None:
    assert engaged(KillTarget(TargetKind.TOOL, "")).stopping(ANALYST, "") is None


def test_the_widest_switch_is_the_one_named() -> None:
    stopping = engaged(*TARGETS.values()).stopping(ANALYST, "warehouse.export")
    assert stopping is not None
    assert stopping.target.kind is TargetKind.EVERYTHING


def test_the_switch_for_everything_needs_no_agent() -> None:
    assert engaged(TARGETS["agent"]).everything is None
    assert engaged(TARGETS["everything"]).everything is not None


def test_throwing_and_releasing_leave_the_collection_a_decision_holds_alone() -> None:
    before = engaged(TARGETS["tool"])
    after = before.with_engaged(switch("all", TARGETS["everything"])).without(str(TARGETS["tool"]))
    assert [held.target for held in before] == [TARGETS["tool"]]
    assert [held.target for held in after] == [TARGETS["everything"]]
    assert len(after) == 1


def test_only_namespaces_and_their_agents_lie_in_a_namespace() -> None:
    assert {kind: target.namespace for kind, target in TARGETS.items()} == {
        "everything": "",
        "namespace": "sales",
        "agent": "sales",
        "tool": "",
    }


@pytest.mark.parametrize("ids", [("chain-1",), ("other", "grant-1", "chain-1"), ("grant-2", "chain-1")])
def test_a_chain_is_stopped_by_its_id_or_any_of_its_grants(ids: tuple[str, ...]) -> None:
    stopping = engaged(KillTarget(TargetKind.CHAIN, "chain-1"), TARGETS["tool"]).stopping_chain(ids)
    assert stopping is not None
    assert stopping.target.value == "chain-1"


def test_a_chain_switch_stops_no_other_chain_and_no_agent_by_itself() -> None:
    switches = engaged(KillTarget(TargetKind.CHAIN, "chain-1"))
    assert switches.stopping_chain(("chain-2", "grant-1")) is None
    assert switches.stopping(ANALYST, "chain-1") is None
