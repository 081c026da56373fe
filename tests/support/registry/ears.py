"""Identity and telemetry that say what a test tells them, and the registry's ears for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.duration_pb2 import Duration
from ringfence.identity.v1 import identity_pb2, trust_pb2
from ringfence.telemetry.v1 import health_pb2
from ringfence.watch import Change, Changed, StateBegins, StateComplete
from ringfence_kit.clock import Instant, ManualClock
from ringfence_kit.errors import Unavailable
from ringfence_kit.feeds import HEARTBEAT
from ringfence_kit.names import AgentName
from ringfence_kit.readiness import Readiness
from ringfence_kit.wire import to_timestamp
from ringfence_registry.convert.neighbours import health_said, identity_said
from ringfence_registry.neighbours.both import Neighbours

from support.scripted_source import ScriptedSource

NAME = "namespaces/finance/agents/ledger"
DID = "did:webvh:QmExample:dev.id.ringfence.internal:agents:QmExample"


def identity_message(did: str = DID, **changed: object) -> identity_pb2.AgentIdentity:
    """Return what identity says of an agent of good standing with 700 points."""
    said = identity_pb2.AgentIdentity(
        agent=NAME,
        environment="dev",
        did=did,
        status=identity_pb2.IDENTITY_STATUS_ACTIVE,
        did_version_id="1-Qm",
        public_key_multibase="z6Mk",
        birth_certificate=identity_pb2.BirthCertificateContent(ring_ceiling=1),
        trust_state=trust_pb2.TrustState(
            earned_micro_points=400_000_000,
            stored_ring=1,
            ceiling=1_000,
            last_positive_time=to_timestamp(ManualClock().now()),
        ),
    )
    said.MergeFrom(identity_pb2.AgentIdentity(**changed))  # type: ignore[arg-type]  # a test names its fields
    return said


def health_message(
    agent: str = NAME, *, at: Instant, calls: int = 20, errors: int = 1, **changed: object
) -> health_pb2.AgentHealth:
    """Return what telemetry says of an agent that was called."""
    said = health_pb2.AgentHealth(
        agent=agent,
        calls=calls,
        errors=errors,
        latency_p50=Duration(nanos=12_500_000),
        latency_p95=Duration(seconds=1),
        window_end_time=to_timestamp(at),
    )
    said.MergeFrom(health_pb2.AgentHealth(**changed))  # type: ignore[arg-type]  # a test names its fields
    return said


class Ears:
    """The registry's neighbours, scripted."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.readiness = Readiness()
        self.identity_source = ScriptedSource[identity_pb2.WatchAgentsResponse]()
        self.health_source = ScriptedSource[health_pb2.WatchHealthResponse]()
        self.canary: int | None = None
        """Which revision of every agent is its canary."""
        self.ended: list[tuple[str, int]] = []
        """Rollouts that were ended."""
        self.store_is_away = False
        self.heard: list[str] = []
        """Of whom more was heard, by identity and telemetry."""
        self.signers: list[str] = []
        """Whose keys or standing changed."""
        self.caught_up: list[int] = []
        """How many had been told at each moment at which a follower could catch up."""
        self.neighbours = Neighbours(
            identity_source=lambda: self.identity_source,
            read_identity=identity_said,
            health_source=lambda: self.health_source,
            read_health=health_said,
            canary_of=lambda _name: self.canary,
            end_rollout=self._end_rollout,
            clock=self.clock,
            readiness=self.readiness,
            between=lambda: self.caught_up.append(len(self.heard) + len(self.signers)),
        )
        self.neighbours.identity.follow(self.heard.append)
        self.neighbours.identity.follow_signers(self.signers.append)
        self.neighbours.health.follow(self.heard.append)

    async def identities(self, *said: identity_pb2.AgentIdentity, revision: int = 3) -> None:
        """Let identity tell its whole state."""
        told = [
            Changed(revision, Change.ADDED, identity_pb2.WatchAgentsResponse(identity=identity)) for identity in said
        ]
        await self.identity_source.say(StateBegins(), *told, StateComplete(revision))
        await self.settle()

    async def identity(
        self, said: identity_pb2.AgentIdentity, change: Change = Change.MODIFIED, *, revision: int = 4
    ) -> None:
        """Let identity tell one change."""
        answer = identity_pb2.WatchAgentsResponse(identity=said)
        await self.identity_source.say(Changed(revision, change, answer))

    async def healths(self, *said: health_pb2.AgentHealth, revision: int = 3) -> None:
        """Let telemetry tell its whole state."""
        told = [Changed(revision, Change.ADDED, health_pb2.WatchHealthResponse(health=health)) for health in said]
        await self.health_source.say(StateBegins(), *told, StateComplete(revision))

    async def health(
        self, said: health_pb2.AgentHealth, change: Change = Change.MODIFIED, *, revision: int = 4
    ) -> None:
        """Let telemetry tell one change."""
        await self.health_source.say(Changed(revision, change, health_pb2.WatchHealthResponse(health=said)))

    async def beats(self, count: int) -> None:
        """Let heartbeats pass in which nobody says anything."""
        for _ in range(count):
            self.clock.advance(HEARTBEAT)
            await self.settle()

    async def settle(self) -> None:
        """Let what was begun go on as far as it can."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def _end_rollout(self, name: AgentName, canary: int, _reason: str, _at: Instant) -> None:
        if self.store_is_away:
            raise Unavailable(problem="the store is away")
        self.ended.append((str(name), canary))


@asynccontextmanager
async def listening() -> AsyncIterator[Ears]:
    """Listen to scripted neighbours."""
    ears = Ears()
    async with ears.neighbours.following():
        yield ears
