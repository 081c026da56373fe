"""The worked table of docs/composition.md, row by row, over the wire: A calls B, and B calls C, on a running pdp."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from ringfence.identity.v1 import identity_pb2, revocation_pb2
from ringfence.pdp.v1 import approval_pb2, bundle_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.registry.v1 import boundary_pb2, registry_pb2, tool_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, MINUTE, Instant
from support.pdp.links import A as AGENT_A
from support.pdp.links import B as AGENT_B
from support.pdp.links import C as AGENT_C
from support.pdp.links import says, sides
from support.pdp.served import ServedPdp, agent, identity, served_pdp, stop, tool

TOOL = "warehouse.query"
A, B, C = map(str, (AGENT_A, AGENT_B, AGENT_C))
OBLIGATIONS = ("log", "redact")
ADA, BOB, CYD = (
    Caller(principal=name, roles=frozenset({Role.APPROVER}), groups=frozenset({"one", "three"}))
    for name in ("ada", "bob", "cyd")
)


def did_of(name: str) -> str:
    scid = f"Qm{name[-1] * 44}"
    return f"did:webvh:{scid}:dev.id.ringfence.internal:agents:{scid}"


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path, known=False) as served:
        yield served


class Chain:
    """Three agents on a running pdp, and what each test lets them be."""

    def __init__(self, pdp: ServedPdp) -> None:
        self.pdp = pdp
        self.mint = pdp.around.identity.mint
        pdp.around.registry.tools.say(tool())

    async def stands(self, *documents: str, rings: tuple[int, int, int] = (1, 1, 1), lacking: str = "") -> None:
        """Let the agents be in these rings, all but `lacking` with the tool, under these policies."""
        for name, ring in zip((A, B, C), rings, strict=True):
            held = [] if name == lacking else [TOOL]
            self._say(name, ring, held)
        files = [
            bundle_pb2.PolicyFile(path=f"{number}.yaml", content=text.encode()) for number, text in enumerate(documents)
        ]
        await self.pdp.bundles().PushBundle(bundle_pb2.PushBundleRequest(files=files))
        while (await self._explained()).response.facts.identity_revision < self.pdp.around.identity.agents.revision:
            pass

    async def _explained(self) -> pb.ExplainResponse:
        """Ask what counts nowhere: how current the facts are."""
        asked = pb.CheckRequest(subject=pb.Subject(agent=B), action=pb.Action(name="read_table"), environment="dev")
        return await self.pdp.decisions().Explain(pb.ExplainRequest(request=asked))

    def _say(self, name: str, ring: int, held: list[str]) -> None:
        known = identity(
            self.pdp.clock,
            points={0: 950, 1: 750, 2: 500, 3: 300}[ring],
            ring=ring,
            agent=name,
            did=did_of(name),
            birth_certificate_hash="bc",
            revocation_epoch=1,
        )
        known.birth_certificate.approved_tools.clear()
        known.birth_certificate.approved_tools.extend(identity_pb2.ApprovedTool(name=each) for each in held)
        if ring == 0:
            known.trust_state.ring_zero_until_time.FromMilliseconds(self.pdp.clock.now() + DAY)
        self.pdp.around.identity.agents.say(known)
        registered = agent(name=name)
        registered.approved_tools.clear()
        registered.approved_tools.extend(registry_pb2.ApprovedTool(name=each) for each in held)
        self.pdp.around.registry.agents.say(registered)

    async def asks(
        self, *, target: str = C, rows: int = 1, action: str = "read_table", **changed: Any
    ) -> pb.CheckResponse:
        """B calls C on behalf of A."""
        arguments = Struct()
        arguments.update({"rows": rows})
        asked: dict[str, Any] = {
            "subject": pb.Subject(agent=B),
            "chain": [A],
            "supported_obligations": OBLIGATIONS,
            "environment": "dev",
            "resource": pb.Resource(type="orders", id="orders"),
        }
        used = changed.pop("tool", TOOL)
        request = pb.CheckRequest(
            action=pb.Action(name=action, tool=used, arguments=arguments),
            target=pb.Subject(agent=target) if target else None,
            **{**asked, **changed},
        )
        return await self.pdp.decisions().Check(request)

    def elevation(self, **changed: Any) -> str:
        return self.mint.elevation(did_of(A), now=self.pdp.clock.now(), **changed)

    def token(self, **changed: Any) -> str:
        return self.mint.token(did_of(A), did_of(B), now=self.pdp.clock.now(), **changed)


@pytest.fixture
def chain(pdp: ServedPdp) -> Chain:
    return Chain(pdp)


def gave(answer: pb.CheckResponse) -> str:
    effect = pb.Effect.Name(answer.effect).removeprefix("EFFECT_")
    return f"{effect} {pb.DecisionReason.Name(answer.reason).removeprefix('DECISION_REASON_')}"


async def test_rows_1_to_4_an_elevation_and_the_people_it_asks(chain: Chain) -> None:
    await chain.stands(*sides("A/A", "A/A", needs=1), rings=(3, 2, 0))
    row_1 = await chain.asks()
    assert (gave(row_1), row_1.effective_ring) == ("DENY RING_INSUFFICIENT", 3)
    grant = chain.elevation(approvals=2)
    asked = await chain.asks(elevation_grants=[grant])
    while gave(asked) == "DENY ELEVATION_INVALID":  # until the registrar of dev is known
        asked = await chain.asks(elevation_grants=[grant])
    assert gave(asked) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"
    assert (asked.approval.min_approvals, asked.effective_ring) == (2, 1)
    for who in (ADA, BOB):
        await chain.pdp.approvals(who).Approve(approval_pb2.ApproveRequest(name=asked.approval.approval))
    row_4 = await chain.asks(elevation_grants=[grant], rows=2)
    assert gave(row_4) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"
    row_3 = await chain.asks(elevation_grants=[grant])
    assert gave(row_3) == "ALLOW ALLOWED"
    again = await chain.asks(elevation_grants=[grant])
    assert gave(again) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"


async def test_rows_5_to_7_every_side_decides(chain: Chain) -> None:
    await chain.stands(*sides("A/A", "A/D"))
    row_5 = await chain.asks()
    assert (gave(row_5), list(row_5.rules)) == ("DENY RULE_DENIED", ["c-callee/no"])
    await chain.stands(*sides("A/-", "A/A"))
    assert gave(await chain.asks()) == "DENY MISSING_SIDE"
    await chain.stands(*sides("R1/R3", "A/A"))
    row_7 = await chain.asks()
    assert gave(row_7) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"
    assert (row_7.approval.min_approvals, row_7.approval.timeout_seconds) == (3, 600)
    assert list(row_7.approval.approver_groups) == ["group:one", "group:three"]
    said = [(side.hop, pb.Side.Name(side.side), side.party, pb.Effect.Name(side.effect)) for side in row_7.sides]
    assert said == [
        (1, "SIDE_CALLER", A, "EFFECT_REQUIRE_APPROVAL"),
        (1, "SIDE_CALLEE", B, "EFFECT_REQUIRE_APPROVAL"),
        (2, "SIDE_CALLER", B, "EFFECT_ALLOW"),
        (2, "SIDE_CALLEE", C, "EFFECT_ALLOW"),
    ]
    assert list(row_7.chain) == [did_of(A), did_of(B)]


async def test_row_8_everybody_holds_what_is_used(chain: Chain) -> None:
    await chain.stands(*sides("A/A", "A/A"), lacking=B)
    assert gave(await chain.asks()) == "DENY CAPABILITY_NOT_DELEGATED"


async def test_rows_9_and_10_obligations_add_up_and_have_to_be_met(chain: Chain) -> None:
    await chain.stands(
        says(AGENT_A, "caller", "A", "{type: log, id: trail}"),
        says(AGENT_B, "callee", "A", "{type: redact, id: pii, properties: {fields: [name, mail]}}"),
        says(AGENT_B, "caller", "A"),
        says(AGENT_C, "callee", "A"),
    )
    row_9 = await chain.asks()
    assert gave(row_9) == "ALLOW ALLOWED"
    assert [(one.type, one.id) for one in row_9.obligations] == [("log", "trail"), ("redact", "pii")]
    assert list(row_9.obligations[1].properties["fields"]) == ["name", "mail"]  # type: ignore[arg-type]  # a ListValue
    row_10 = await chain.asks(supported_obligations=["log"])
    assert (gave(row_10), list(row_10.obligations)) == ("DENY OBLIGATION_UNSUPPORTED", [])


async def test_rows_11_to_13_cycles_kills_and_the_wall(chain: Chain) -> None:
    await chain.stands(*sides("A/A", "A/A"))
    assert gave(await chain.asks()) == "ALLOW ALLOWED"
    assert gave(await chain.asks(target=A)) == "DENY CHAIN_CYCLE"
    assert gave(await chain.asks(environment="prod", subject=pb.Subject(did=did_of(B)), target="")) == (
        "DENY AGENT_UNKNOWN"  # A has no identity in prod to act for
    )
    alone = await chain.asks(environment="prod", subject=pb.Subject(did=did_of(B)), chain=[], target="")
    assert gave(alone) == "DENY ENVIRONMENT_MISMATCH"
    await chain.pdp.switches().EngageKillSwitch(stop(agent=A))
    assert gave(await chain.asks()) == "DENY KILLED"


ERRING = "{name: err, match: {actions: ['*']}, effect: ALLOW, when: 'int(args.nothing) == 0'}"


async def test_row_14_an_error_never_opens(chain: Chain) -> None:
    allowing = [
        one.replace("{name: yes, match: {actions: ['*']}, effect: ALLOW}", ERRING) for one in sides("A/A", "A/A")
    ]
    await chain.stands(*allowing)
    assert gave(await chain.asks()) == "DENY NO_MATCH"
    denying = "    " + "- " + ERRING.replace("ALLOW", "DENY") + "\n"
    await chain.stands(*[one + denying for one in sides("A/A", "A/A")])
    assert gave(await chain.asks()) == "DENY RULE_ERROR"


async def test_row_15_a_budget_is_charged_to_all_or_to_none(chain: Chain) -> None:
    """B's requests are used up by its own calls; A's are untouched when a call for both is denied."""
    limit = "  limits:\n    - {name: calls, budget: {requests: 2}, window: 1d, per: agent}\n"
    await chain.stands(*[one + limit for one in sides("A/A", "A/A") if "-caller" in one], *sides("-/A", "-/A"))
    for _ in range(2):
        assert gave(await chain.asks(chain=[])) == "ALLOW ALLOWED"
    for _ in range(3):
        denied = await chain.asks()
        assert gave(denied) == "DENY BUDGET_EXHAUSTED"
    only_a = [await chain.asks(subject=pb.Subject(agent=A), chain=[], target=B) for _ in range(3)]
    assert [gave(one) for one in only_a] == ["ALLOW ALLOWED", "ALLOW ALLOWED", "DENY BUDGET_EXHAUSTED"]


async def test_a_delegation_token_is_verified_and_what_was_revoked_ends_it(chain: Chain) -> None:
    await chain.stands(*sides("A/A", "A/A"))
    answer = await chain.asks(chain=[], delegation_token=chain.token())
    while gave(answer) == "DENY CHAIN_INVALID":  # until the keys of dev are known
        answer = await chain.asks(chain=[], delegation_token=chain.token())
    assert gave(answer) == "ALLOW ALLOWED"
    assert list(answer.chain) == [did_of(A), did_of(B)]
    stolen = await chain.asks(subject=pb.Subject(agent=A), chain=[], delegation_token=chain.token())
    assert gave(stolen) == "DENY CHAIN_INVALID"
    chain.pdp.around.identity.revocations.say(
        revocation_pb2.Revocation(
            kind=revocation_pb2.REVOCATION_KIND_DELEGATION, subject="delegations/grant-1", environment="dev"
        )
    )
    while gave(await chain.asks(chain=[], delegation_token=chain.token())) == "ALLOW ALLOWED":
        pass
    refused = await chain.asks(chain=[], delegation_token=chain.token())
    assert gave(refused) == "DENY CHAIN_INVALID"
    assert "delegations/grant-1 was revoked" in refused.message
    late = chain.mint.token(did_of(A), did_of(B), now=Instant(chain.pdp.clock.now() - 10 * MINUTE), grants=("other",))
    assert gave(await chain.asks(chain=[], delegation_token=late)) == "DENY CHAIN_INVALID"


async def test_a_boundary_that_is_closed_is_not_crossed(chain: Chain) -> None:
    await chain.stands(*sides("A/A", "A/A"))
    wall = boundary_pb2.Boundary(
        name="namespaces/mesh/boundaries/inner", agents=[C], state=tool_pb2.SWITCH_STATE_ENABLED
    )
    chain.pdp.around.registry.boundaries.say(wall)
    assert gave(await chain.asks()) == "ALLOW ALLOWED"
    wall.state = tool_pb2.SWITCH_STATE_DISABLED
    chain.pdp.around.registry.boundaries.say(wall)
    while gave(await chain.asks()) == "ALLOW ALLOWED":
        pass
    assert gave(await chain.asks()) == "DENY BOUNDARY_CLOSED"
    assert gave(await chain.asks(target="")) == "ALLOW ALLOWED"


async def test_explaining_shows_what_each_side_said_and_would_take(chain: Chain) -> None:
    await chain.stands(*sides("A/A", "A/D"))
    request = pb.CheckRequest(
        subject=pb.Subject(agent=B),
        chain=[A],
        target=pb.Subject(agent=C),
        action=pb.Action(name="read_table"),
        environment="dev",
    )
    explained = await chain.pdp.decisions().Explain(pb.ExplainRequest(request=request))
    assert gave(explained.response) == "DENY RULE_DENIED"
    assert [side.party for side in explained.response.sides] == [A, B, B, C]
    assert list(explained.nearest_misses) == [f"hop 2, callee {C}: rules: c-callee/no denies it whatever else is true"]
