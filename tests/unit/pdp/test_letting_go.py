"""A bundle that is forgotten is freed in pieces, and what somebody holds of it stays as it was."""

import gc

from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.compiled import CompiledBundle, CompiledRule
from ringfence_pdp.letting_go import let_go
from ringfence_pdp.model import Side

POLICY = """
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: {name}}}
spec:
  governs: {{{governs}}}
  rules:
    - {{name: one, match: {{actions: ["read_*", get]}}, effect: ALLOW, when: "agent.trust >= 7"}}
    - {{name: two, match: {{actions: ["drop"], tools: ["db.*"]}}, effect: DENY}}
"""


def compiled() -> CompiledBundle:
    said = {
        "a": "agents: ['ns/data/agents/*']",
        "b": "environments: [prod]",
        "c": "boundaries: ['ns/data/boundaries/*']",
    }
    files = [
        PolicyFile(path=f"{name}.yaml", content=POLICY.format(name=name, governs=governs).encode())
        for name, governs in said.items()
    ]
    return compile_files(files)


def rules_there_are() -> int:
    return sum(isinstance(each, CompiledRule) for each in gc.get_objects())


def test_nothing_is_left_of_a_bundle_nobody_holds() -> None:
    before = rules_there_are()
    forgotten = [compiled(), compiled()]
    assert rules_there_are() == before + 12
    let_go(forgotten)
    assert forgotten == []
    assert rules_there_are() == before


def test_who_decides_by_it_meanwhile_decides_as_before() -> None:
    bundle = compiled()
    bundle.index.candidates(environment="prod", agent="x", action="get", tool="")
    let_go([bundle])
    selected = bundle.selecting(
        bundle.index, environment="prod", governed="namespaces/data/agents/x", action="get", tool=None, side=Side.CALLER
    )
    assert [rule.id for rule in selected] == ["a/one", "b/one"]
    assert bundle.rule_count == 6


def test_an_index_is_taken_apart_to_the_tables_of_single_agents() -> None:
    assert len(compiled().index.parts()) == 2
    assert len(compiled().boundary_index.parts()) == 1
