"""Three agents in a chain, A → B → C, and what each side of each hop says, in a word."""

from collections.abc import Mapping, Sequence
from typing import Any

from ringfence_kit.names import AgentName
from ringfence_pdp.boundaries import Boundaries, Boundary
from ringfence_pdp.case import Basis
from ringfence_pdp.facts import Facts
from ringfence_pdp.model import CheckRequest, Resource, Target

from support.pdp.mint import Mint
from support.pdp.world import NOW, ask, basis, bundle, facts_of, identity, policy, registered, tool

A, B, C, D = (AgentName("mesh", name) for name in ("a", "b", "c", "d"))
MINT = Mint("prod")
TOOL = "warehouse.query"
HELD = {TOOL: ""}

GROUPS = {"R1": ("group:one", "10m"), "R2": ("group:two", "20m"), "R3": ("group:three", "30m")}
"""Whom each request for approval asks, and for how long."""


def did(name: AgentName, environment: str = "prod") -> str:
    """The DID that the facts of a test give an agent."""
    return identity(name, environment=environment).did


def says(agent: AgentName, side: str, word: str, obligations: str = "") -> str:
    """A policy that governs one agent on one side: A allows, R1 to R3 ask that many people, D denies."""
    governs = f"{{agents: ['{agent}'], side: {side}}}"
    obliged = f", obligations: [{obligations}]" if obligations else ""
    rules = {"A": f"{{name: yes, match: {{actions: ['*']}}, effect: ALLOW{obliged}}}"}
    if word == "D":
        rules = {"A": rules["A"], "D": "{name: no, match: {actions: ['*']}, effect: DENY, reason: NOT_HERE}"}
    elif word in GROUPS:
        group, timeout = GROUPS[word]
        approval = f"{{min_approvals: {word[1]}, approvers: ['{group}'], timeout: {timeout}}}"
        rules = {
            word: f"{{name: ask, match: {{actions: ['*']}}, effect: REQUIRE_APPROVAL, approval: {approval}{obliged}}}"
        }
    return policy(*rules.values(), name=f"{agent.agent}-{side}", governs=governs)


def sides(*hops: str, agents: Sequence[AgentName] = (A, B, C), needs: int | None = None) -> list[str]:
    """The policies of a chain, hop by hop: a side that is `-` has none. `needs`: the ring that the last asks for."""
    documents: dict[str, str] = {}
    for hop, caller, callee in zip(hops, agents, agents[1:], strict=False):
        for word, agent, side in zip(hop.split("/"), (caller, callee), ("caller", "callee"), strict=True):
            if word != "-":
                text = says(agent, side, word)
                if side == "callee" and agent == agents[-1] and needs is not None:
                    text = text.replace("spec:\n", f"spec:\n  min_caller_ring: {needs}\n", 1)
                documents[f"{agent}/{side}"] = text
    return list(documents.values())


def known(
    rings: Mapping[AgentName, int],
    *,
    tools: Mapping[AgentName, Mapping[str, str]] | None = None,
    boundaries: Sequence[Boundary] = (),
    **told: Any,
) -> Facts:
    """The facts of agents in these rings, each with the tool unless `tools` says otherwise."""
    agents: list[Any] = []
    for name, ring in rings.items():
        held = (tools or {}).get(name, HELD)
        agents += [identity(name, ring=ring, tools=held), registered(name, tools=held)]
    told = {"issuers": {"prod": MINT.issuer}, "boundaries": Boundaries(boundaries), **told}
    return facts_of(*agents, tools=[tool()], **told)


def stands(
    *documents: str, facts: Facts | None = None, rings: tuple[int, int, int] = (1, 1, 1), **changed: Any
) -> Basis:
    """What a decision on the chain stands on."""
    return basis(bundle(*documents), facts=facts or known(dict(zip((A, B, C), rings, strict=True))), **changed)


def call(**changed: Any) -> CheckRequest:
    """B calls C on behalf of A, to read orders with the tool."""
    usual: dict[str, Any] = {
        "agent": B,
        "chain": (str(A),),
        "target": Target(agent=C),
        "tool": TOOL,
        "resource": Resource(type="orders", id="orders"),
        "supported_obligations": frozenset({"log", "redact"}),
    }
    return ask("read_table", **{**usual, **changed})


def token(*path: AgentName, **changed: Any) -> str:
    """A delegation token for the last of `path`, A and B when none is named."""
    return MINT.token(*map(did, path or (A, B)), now=NOW, **changed)


def elevation(**changed: Any) -> str:
    """A grant that raises calls that begin with A."""
    return MINT.elevation(did(A), now=NOW, **changed)
