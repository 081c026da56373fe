"""The mesh in one object, against a server that answers by script."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from functools import cached_property
from pathlib import Path
from typing import get_args

import grpc
import pytest
import ringfence.client
from ringfence.channel import ChannelOptions
from ringfence.client import AioRingfence, Ringfence
from ringfence.credentials import ChannelError
from ringfence.errors import NotFoundError
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.retry import RetryPolicy
from ringfence.stubs import AioStubs, Service, Stubs
from ringfence.watch import Changed, StateBegins, StateComplete
from support.scripted_registry import serving
from support.scripted_watch import WatchedRegistry

NOT_FOUND = grpc.StatusCode.NOT_FOUND
GET = pb.GetAgentRequest(name="namespaces/a/agents/b")
CLIENT = Path(ringfence.client.__file__).parent
FACES = [
    ("registry", "registry"),
    ("catalog", "registry"),
    ("tools", "registry"),
    ("boundaries", "registry"),
    ("external_systems", "registry"),
    ("namespaces", "registry"),
    ("identity", "identity"),
    ("credentials", "identity"),
    ("delegations", "identity"),
    ("trust", "identity"),
    ("transparency", "identity"),
    ("decisions", "pdp"),
    ("bundles", "pdp"),
    ("kill_switches", "pdp"),
    ("approvals", "pdp"),
    ("limits", "pdp"),
    ("filters", "pdp"),
    ("audit", "telemetry"),
    ("usage", "telemetry"),
    ("workflows", "telemetry"),
    ("alerts", "telemetry"),
    ("budgets", "telemetry"),
    ("prices", "telemetry"),
    ("slos", "telemetry"),
    ("breakers", "telemetry"),
    ("evaluations", "telemetry"),
    ("health", "telemetry"),
]


NOT_CALLED_BY_PROGRAMS = {"SnapshotServiceStub", "IntentClassifierServiceStub"}


@pytest.mark.parametrize("stubs", [Stubs, AioStubs])
def test_every_interface_has_its_stub(stubs: type) -> None:
    generated = {
        name
        for service in get_args(Service)
        for file in (CLIENT / service / "v1").glob("*_pb2_grpc.py")
        for name in dir(importlib.import_module(f"ringfence.{service}.v1.{file.stem}"))
        if name.endswith("ServiceStub")
    }
    faces = {name for name, face in vars(stubs).items() if isinstance(face, cached_property)}
    assert faces == {name for name, _ in FACES}
    assert len(faces) == len(generated - NOT_CALLED_BY_PROGRAMS)


@pytest.fixture
def registry() -> WatchedRegistry:
    return WatchedRegistry()


@pytest.fixture
async def address(registry: WatchedRegistry) -> AsyncIterator[str]:
    async with serving(registry) as address:
        yield address


class TestAsyncio:
    async def test_calls_carry_the_token_and_raise_typed_errors(self, registry: WatchedRegistry, address: str) -> None:
        async with AioRingfence(registry=address, options=ChannelOptions(token="abc")) as mesh:
            assert (await mesh.registry.GetAgent(GET)).agent.name == GET.name
            registry.script = [NOT_FOUND]
            with pytest.raises(NotFoundError):
                await mesh.registry.GetAgent(GET)
        assert registry.calls[0].headers["authorization"] == "Bearer abc"

    async def test_agents_are_followed_from_the_state_on(self, registry: WatchedRegistry, address: str) -> None:
        registry.put("a", "")
        async with AioRingfence(registry=address) as mesh:
            steps = mesh.watch_registered_agents("namespaces/x").steps()
            assert await anext(steps) == StateBegins()
            assert isinstance(await anext(steps), Changed)
            assert await anext(steps) == StateComplete(1)
            await steps.aclose()
        (request,) = registry.requests
        assert (request.parent, request.send_initial_state) == ("namespaces/x", True)

    @pytest.mark.parametrize(("face", "service"), FACES)
    async def test_a_service_without_an_address_says_so_when_it_is_used(self, face: str, service: str) -> None:
        async with AioRingfence() as mesh:
            with pytest.raises(ChannelError, match=f"pass {service}='host:port'"):
                getattr(mesh, face)

    @pytest.mark.parametrize(("face", "service"), FACES)
    async def test_every_interface_goes_to_its_service(self, face: str, service: str) -> None:
        async with AioRingfence(**{service: "127.0.0.1:1"}) as mesh:  # type: ignore[arg-type]  # the names are addresses
            assert getattr(mesh, face) is getattr(mesh, face)

    async def test_outside_its_block_it_says_so(self) -> None:
        with pytest.raises(ChannelError, match="inside the block only"):
            AioRingfence(registry="127.0.0.1:1").channel("registry")

    async def test_a_channel_that_cannot_be_opened_opens_none(self) -> None:
        with pytest.raises(ChannelError, match="in clear"):
            async with AioRingfence(registry="127.0.0.1:1", pdp="pdp.mesh:1", options=ChannelOptions(token="abc")):
                pass


class TestThreads:
    async def test_calls_and_watches(self, registry: WatchedRegistry, address: str) -> None:
        registry.put("a", "")

        def work() -> tuple[str, list[object]]:
            with Ringfence(registry=address, options=ChannelOptions(token="abc")) as mesh:
                name = mesh.registry.GetAgent(GET).agent.name
                steps = mesh.watch_registered_agents().steps()
                first = [next(steps) for _ in range(3)]
                steps.close()
                return name, list(first)

        name, steps = await asyncio.to_thread(work)
        assert name == GET.name
        assert (steps[0], steps[2]) == (StateBegins(), StateComplete(1))

    @pytest.mark.parametrize(("face", "service"), FACES)
    def test_every_interface_goes_to_its_service(self, face: str, service: str) -> None:
        with Ringfence(**{service: "127.0.0.1:1"}) as mesh:  # type: ignore[arg-type]  # the names are addresses
            assert getattr(mesh, face) is getattr(mesh, face)
        with Ringfence() as mesh, pytest.raises(ChannelError, match=f"pass {service}='host:port'"):
            getattr(mesh, face)

    def test_identities_are_followed_too(self) -> None:
        options = ChannelOptions(retry=RetryPolicy(attempts=1))
        with Ringfence(identity="127.0.0.1:1", options=options) as mesh:
            steps = mesh.watch_identities("prod").steps()
            assert next(steps) == StateBegins()
            steps.close()

    def test_a_closed_mesh_makes_no_calls(self) -> None:
        mesh = Ringfence(registry="127.0.0.1:1")
        stub = mesh.registry
        mesh.close()
        with pytest.raises(ValueError, match="closed"):
            stub.GetAgent(GET)
        with pytest.raises(ValueError, match="closed"):
            stub.WatchAgents(pb.WatchAgentsRequest())
        with pytest.raises(ChannelError, match="inside the block only"):
            mesh.channel("registry")
