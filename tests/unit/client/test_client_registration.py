"""An agent registered from its card: what is taken from the card, and how a refusal reads."""

import json
from dataclasses import dataclass, field

import pytest
from google.protobuf.message import Message
from ringfence.registration import CardRefusedError, register, registration, require_admissible
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1.registry_pb2 import (
    RISK_TIER_HIGH,
    RISK_TIER_MEDIUM,
    Agent,
    Owner,
    RegisterAgentRequest,
    RegisterAgentResponse,
    ValidateCardRequest,
    ValidateCardResponse,
)

ADA = Owner(display_name="Ada", contact="ada@example.com")
CARD = json.dumps({"name": "Analyst", "description": "Answers questions."}).encode()


@dataclass
class Registry:
    """Answers as it is told to."""

    judged: ValidateCardResponse
    asked: list[Message] = field(default_factory=list)

    def ValidateCard(self, request: ValidateCardRequest, /) -> ValidateCardResponse:
        self.asked.append(request)
        return self.judged

    def RegisterAgent(self, request: RegisterAgentRequest, /) -> RegisterAgentResponse:
        self.asked.append(request)
        return RegisterAgentResponse(agent=request.agent)


@pytest.mark.parametrize("name", ["demo/analyst", "namespaces/demo/agents/analyst"])
def test_a_card_and_an_owner_are_enough(name: str) -> None:
    assert registration(name, CARD, owner=ADA) == RegisterAgentRequest(
        parent="namespaces/demo",
        agent_id="analyst",
        card=CARD,
        agent=Agent(purpose="Answers questions.", owner=ADA, environments=["dev"], risk_tier=RISK_TIER_MEDIUM),
    )


def test_what_is_said_is_not_taken_from_the_card() -> None:
    said = registration("a/b", CARD, owner=ADA, purpose="p", environments=["prod"], risk_tier=RISK_TIER_HIGH).agent
    assert (said.purpose, list(said.environments), said.risk_tier) == ("p", ["prod"], RISK_TIER_HIGH)


@pytest.mark.parametrize("card", [b"", b"[]", b"{", b"7", b"\xff", b"{}", b'{"description": 7}', b"[" * 9_999])
def test_what_is_no_card_is_the_registrys_to_judge(card: bytes) -> None:
    request = registration("a/b", card, owner=ADA)
    assert (request.card, request.agent.purpose) == (card, "")


def test_a_long_description_is_cut_between_characters() -> None:
    card = json.dumps({"description": "é" * 1_500}).encode()
    assert registration("a/b", card, owner=ADA).agent.purpose == "é" * 1_000


def test_an_admissible_card_is_registered() -> None:
    registry = Registry(ValidateCardResponse(admissible=True))
    request = registration("demo/analyst", CARD, owner=ADA)
    assert register(registry, request).agent == request.agent
    assert registry.asked == [ValidateCardRequest(card=CARD, parent="namespaces/demo"), request]


def test_another_one_is_refused_with_every_reason_and_not_registered() -> None:
    judged = ValidateCardResponse(refusals=["the verdict is too bad"])
    judged.reasons.add(pointer="/url", problem="is missing", verdict=card_pb2.CARD_VERDICT_NONCONFORMANT)
    judged.reasons.add(problem="is old")
    registry = Registry(judged)
    with pytest.raises(CardRefusedError) as refused:
        register(registry, registration("demo/analyst", CARD, owner=ADA))
    assert refused.value.problems == ("the verdict is too bad", "/url: is missing", "/: is old")
    assert len(registry.asked) == 1


def test_a_refusal_without_a_word_is_one_too() -> None:
    with pytest.raises(CardRefusedError, match="not admitted"):
        require_admissible(ValidateCardResponse())
