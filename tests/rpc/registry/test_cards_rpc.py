"""Cards over gRPC: judged, registered, and given back byte for byte, whatever generation they are of."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from a2a.types import a2a_pb2
from ringfence.registry.v1 import card_pb2, namespace_pb2, namespace_pb2_grpc
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_registry.cards.model import CardVerdict
from ringfence_registry.cards.reading import read_card
from support.registry.agents import CARD
from support.registry.served import FINANCE_OWNER, LEDGER, ServedRegistry, registration, served_registry
from support.wire import refusal

GOLDEN = Path(__file__).parents[2] / "golden" / "registry"
CARDS = {case.stem: case.read_bytes() for case in sorted((GOLDEN / "cards").glob("*.json"))}
UNREADABLE = {case.stem: case.read_bytes() for case in sorted((GOLDEN / "refused_cards").glob("*.json"))}
VERDICTS = {name: read_card(card).facts.verdict for name, card in CARDS.items()}
ADMITTED = [name for name, verdict in VERDICTS.items() if verdict is not CardVerdict.NONCONFORMANT]
AGAINST_THE_RULES = [name for name, verdict in VERDICTS.items() if verdict is CardVerdict.NONCONFORMANT]

GUEST = Caller(principal="gus", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"travel"}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


pytestmark = pytest.mark.asyncio(loop_scope="module")


def agent_id(name: str) -> str:
    return name.replace("_", "-").strip("-")


async def validated(registry: ServedRegistry, card: bytes, parent: str = "", **options: Any) -> pb.ValidateCardResponse:
    answer: pb.ValidateCardResponse = await registry.stub(**options).ValidateCard(
        pb.ValidateCardRequest(card=card, parent=parent)
    )
    return answer


async def relax(registry: ServedRegistry, namespace: str, **admission: Any) -> None:
    stub = namespace_pb2_grpc.NamespaceServiceStub(registry.channel())
    wanted = namespace_pb2.Namespace(
        name=f"namespaces/{namespace}", admission=namespace_pb2.AdmissionPolicy(**admission)
    )
    call: Any = stub.UpdateNamespace(namespace_pb2.UpdateNamespaceRequest(namespace=wanted))
    await call


@pytest.mark.parametrize("name", ADMITTED)
async def test_a_card_of_any_generation_comes_back_byte_for_byte(registry: ServedRegistry, name: str) -> None:
    card = CARDS[name]
    agent = await registry.register(agent_id(name), card=card)
    answer = await registry.stub().GetCard(pb.GetCardRequest(name=agent.name))
    assert (answer.card, answer.sha256) == (card, hashlib.sha256(card).digest())
    assert agent.card.sha256 == answer.sha256
    theirs = a2a_pb2.AgentCard.FromString(answer.agent_card.SerializeToString())
    assert theirs.name == json.loads(card)["name"]
    assert [each.url for each in theirs.supported_interfaces] == [each.url for each in agent.card.interfaces]


@pytest.mark.parametrize("name", AGAINST_THE_RULES)
async def test_a_card_against_the_rules_is_refused_with_every_reason_until_the_policy_says_otherwise(
    registry: ServedRegistry, name: str
) -> None:
    refused = await refusal(registry.stub().RegisterAgent(registration(agent_id(name), card=CARDS[name])))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "CARD_INVALID")
    assert all(field == "card" or field.startswith("card#/") for field in refused.violations)
    await relax(registry, "lenient", least_verdict=card_pb2.CARD_VERDICT_NONCONFORMANT)
    agent = await registry.register(agent_id(name), parent="namespaces/lenient", card=CARDS[name])
    assert agent.card.verdict == card_pb2.CARD_VERDICT_NONCONFORMANT
    assert card_pb2.CARD_VERDICT_NONCONFORMANT in {reason.verdict for reason in agent.card.reasons}
    answer = await registry.stub().GetCard(pb.GetCardRequest(name=agent.name))
    assert answer.card == CARDS[name]


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_cannot_be_read_in_one_way_is_admitted_by_no_policy(registry: ServedRegistry, name: str) -> None:
    await relax(registry, "lenient", least_verdict=card_pb2.CARD_VERDICT_NONCONFORMANT)
    wanted = registration(agent_id(name), parent="namespaces/lenient", card=UNREADABLE[name])
    refused = await refusal(registry.stub().RegisterAgent(wanted))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "CARD_INVALID")
    judged = await validated(registry, UNREADABLE[name], "namespaces/lenient")
    assert (judged.verdict, judged.admissible) == (card_pb2.CARD_VERDICT_UNREADABLE, False)
    assert {reason.verdict for reason in judged.reasons} == {card_pb2.CARD_VERDICT_UNREADABLE}
    assert all(reason.rule and reason.problem for reason in judged.reasons)
    assert not judged.HasField("card")


@pytest.mark.parametrize("name", CARDS)
async def test_a_card_is_judged_as_it_would_be_at_registration(registry: ServedRegistry, name: str) -> None:
    judged = await validated(registry, CARDS[name], "namespaces/finance")
    assert judged.verdict == card_pb2.CardVerdict.Value(f"CARD_VERDICT_{VERDICTS[name].name}")
    assert judged.admissible is (name in ADMITTED)
    assert judged.admissible is not bool(judged.refusals)
    assert judged.card.sha256 == hashlib.sha256(CARDS[name]).digest()
    assert list(judged.card.reasons) == list(judged.reasons)


async def test_findings_come_with_kind_severity_and_place(registry: ServedRegistry) -> None:
    judged = await validated(registry, CARDS["impostor_findings"])
    found = {(finding.kind, finding.severity, finding.pointer) for finding in judged.findings}
    assert (card_pb2.FINDING_KIND_SECRET, card_pb2.FINDING_SEVERITY_CRITICAL) in {each[:2] for each in found}
    assert (card_pb2.FINDING_KIND_LOOK_ALIKE, card_pb2.FINDING_SEVERITY_WARNING, "/name") in found
    assert judged.admissible


async def test_a_namespace_refuses_findings_of_the_kinds_it_names(registry: ServedRegistry) -> None:
    await relax(registry, "strict", refused_findings=[card_pb2.FINDING_KIND_SECRET])
    judged = await validated(registry, CARDS["impostor_findings"], "namespaces/strict")
    (refusal_,) = judged.refusals
    assert refusal_.startswith("/securitySchemes/aws/apiKeySecurityScheme/description holds what looks like")
    assert "AKIA" not in "".join([*judged.refusals, *(finding.problem for finding in judged.findings)])
    wanted = registration("impostor", parent="namespaces/strict", card=CARDS["impostor_findings"])
    refused = await refusal(registry.stub().RegisterAgent(wanted))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "CARD_INVALID")
    assert "AKIA" not in refused.message


async def test_the_policy_of_a_namespace_one_does_not_see_is_not_told(registry: ServedRegistry) -> None:
    for namespace in ("finance", "nobody-ever-used"):
        request = pb.ValidateCardRequest(card=CARD, parent=f"namespaces/{namespace}")
        refused = await refusal(registry.stub(GUEST).ValidateCard(request))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    assert (await registry.stub(GUEST).ValidateCard(pb.ValidateCardRequest(card=CARD))).admissible
    own = pb.ValidateCardRequest(card=CARD, parent="namespaces/finance")
    assert (await registry.stub(FINANCE_OWNER).ValidateCard(own)).admissible


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.ValidateCardRequest(), {"card"}),
        (pb.ValidateCardRequest(card=CARD, parent="finance"), {"parent"}),
        (pb.ValidateCardRequest(parent="namespaces/-"), {"card", "parent"}),
    ],
)
async def test_a_request_that_breaks_a_rule(
    registry: ServedRegistry, request_: pb.ValidateCardRequest, fields: set[str]
) -> None:
    refused = await refusal(registry.stub().ValidateCard(request_))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields


async def test_nothing_of_a_judged_card_is_kept(registry: ServedRegistry) -> None:
    await validated(registry, CARD, "namespaces/finance")
    refused = await refusal(registry.stub().GetCard(pb.GetCardRequest(name=LEDGER)))
    assert refused.reason == "AGENT_NOT_FOUND"
