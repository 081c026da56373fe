"""What a namespace admits for which nobody said it: the registry's setting, within what people say."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from ringfence.registry.v1 import card_pb2, namespace_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence_kit.callers import Caller
from ringfence_registry.config import DefaultLeastVerdict
from support.registry.served import FINANCE_OWNER, ServedRegistry, registration, served_registry
from support.wire import refusal

FINANCE = "namespaces/finance"
BROKEN = b'{"name": "ledger", "version": "1", "description": 7}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedRegistry]:
    folder = tmp_path_factory.mktemp("registry")
    async with served_registry(folder, default_least_verdict=DefaultLeastVerdict.NONCONFORMANT) as served:
        yield served


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def in_force(registry: ServedRegistry, namespace: str = FINANCE) -> int:
    request = namespace_pb2.GetNamespaceRequest(name=namespace)
    answer: namespace_pb2.GetNamespaceResponse = await NamespaceServiceStub(registry.channel()).GetNamespace(request)
    return answer.namespace.admission.least_verdict


def update(registry: ServedRegistry, caller: Caller | None = None, **changed: Any) -> Any:
    """Set up the namespace, as its platform-admin or as its owner."""
    channel = registry.channel() if caller is None else registry.channel(caller)
    wanted = namespace_pb2.Namespace(name=FINANCE, **changed)
    paths = ["admission.least_verdict"] if "admission" in changed else list(changed)
    request = namespace_pb2.UpdateNamespaceRequest(namespace=wanted)
    request.update_mask.paths.extend(paths)
    return NamespaceServiceStub(channel).UpdateNamespace(request)


async def test_a_card_that_breaks_rules_is_admitted_with_every_reason(registry: ServedRegistry) -> None:
    agent = await registry.register("broken", card=BROKEN)
    assert agent.card.verdict == card_pb2.CARD_VERDICT_NONCONFORMANT
    assert "/description" in {reason.pointer for reason in agent.card.reasons}


async def test_a_card_that_reads_two_ways_is_refused_as_ever(registry: ServedRegistry) -> None:
    refused = await refusal(registry.stub().RegisterAgent(registration("twice", card=b'{"name": "a", "name": "b"}')))
    assert refused.reason == "CARD_INVALID"


async def test_judging_a_card_for_no_namespace_goes_by_the_setting(registry: ServedRegistry) -> None:
    judged = await registry.stub().ValidateCard(pb.ValidateCardRequest(card=BROKEN))
    assert judged.admissible
    assert not judged.refusals


async def test_setting_up_something_else_leaves_what_is_admitted(registry: ServedRegistry) -> None:
    await update(registry, display_name="Finance")
    assert await in_force(registry) == card_pb2.CARD_VERDICT_NONCONFORMANT


async def test_an_owner_tightens_it_and_takes_that_back(registry: ServedRegistry) -> None:
    strict = namespace_pb2.AdmissionPolicy(least_verdict=card_pb2.CARD_VERDICT_VALID)
    await update(registry, FINANCE_OWNER, admission=strict)
    refused = await refusal(registry.stub().RegisterAgent(registration("strict", card=BROKEN)))
    assert refused.reason == "CARD_INVALID"
    await update(registry, FINANCE_OWNER, admission=namespace_pb2.AdmissionPolicy())
    assert await in_force(registry) == card_pb2.CARD_VERDICT_NONCONFORMANT


async def test_what_a_platform_admin_asks_counts_before_the_setting(registry: ServedRegistry) -> None:
    asked = namespace_pb2.AdmissionPolicy(least_verdict=card_pb2.CARD_VERDICT_UPCONVERTED)
    await update(registry, admission=asked)
    looser = namespace_pb2.AdmissionPolicy(least_verdict=card_pb2.CARD_VERDICT_NONCONFORMANT)
    for wanted in (looser, namespace_pb2.AdmissionPolicy()):
        refused = await refusal(update(registry, FINANCE_OWNER, admission=wanted))
        assert refused.reason == "NOT_PERMITTED"
    await update(registry, admission=namespace_pb2.AdmissionPolicy())
    assert await in_force(registry) == card_pb2.CARD_VERDICT_NONCONFORMANT
