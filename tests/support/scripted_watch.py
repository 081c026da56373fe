"""A registry that only watches: the Watch contract over a history in memory, on real gRPC, cut where a test says.

What is here follows protos/ringfence/registry/v1/registry.proto; what is bad about it is what `cuts` asks for.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

import grpc
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.errors import Failure, RevisionCompacted, RevisionInFuture, Unauthenticated, WatcherTooSlow

from support.scripted_registry import AnyContext, ScriptedRegistry, fail

Way = Literal["end", "unavailable", "internal", "unauthenticated", "too slow", "denied", "hang"]


@dataclass(frozen=True)
class Cut:
    """How one stream ends: after so many answers, in this way."""

    after: int
    way: Way


@dataclass
class WatchedRegistry(ScriptedRegistry):
    """Agents by name with their purpose as the value; `put` and `drop` make history."""

    events: list[pb.WatchAgentsResponse] = field(default_factory=list)
    """All of history; event n has revision n + 1."""
    compacted: int = 0
    """Revisions up to this one are no longer kept."""
    cuts: list[Cut] = field(default_factory=list)
    """One for each stream, in order; a stream without one stays open."""
    overlap: int = 0
    """How many events too many a resumed stream begins with."""
    requests: list[pb.WatchAgentsRequest] = field(default_factory=list)
    beats: int = 0
    greets: bool = False
    """Whether a stream that has caught up for the first time sends a bookmark, instead of waiting for the next beat."""

    def __post_init__(self) -> None:
        self._news = asyncio.Event()

    @property
    def newest(self) -> int:
        return len(self.events)

    @property
    def state(self) -> dict[str, str]:
        """Every agent that is there, with its value."""
        agents: dict[str, str] = {}
        for event in self.events:
            if event.type == pb.WATCH_EVENT_TYPE_DELETED:
                agents.pop(event.agent.name, None)
            else:
                agents[event.agent.name] = event.agent.purpose
        return agents

    def put(self, name: str, value: str) -> int:
        kind = pb.WATCH_EVENT_TYPE_MODIFIED if name in self.state else pb.WATCH_EVENT_TYPE_ADDED
        return self._append(kind, name, value)

    def drop(self, name: str) -> int:
        return self._append(pb.WATCH_EVENT_TYPE_DELETED, name, self.state.get(name, ""))

    def replace_history(self, *names: str) -> None:
        """What restoring an old back-up looks like: other events under the same revisions."""
        self.events.clear()
        for name in names:
            self.put(name, "restored")

    def beat(self) -> None:
        """Send a bookmark on every open stream."""
        self.beats += 1
        self._wake()

    async def WatchAgents(
        self, request: pb.WatchAgentsRequest, context: AnyContext
    ) -> AsyncIterator[pb.WatchAgentsResponse]:
        self.requests.append(request)
        self._wake()
        await fail(context, self._refusal(request))
        cut = self.cuts.pop(0) if self.cuts else None
        sent, position = 0, request.start_revision - 1
        answers = self._answers(request)
        while cut is None or sent < cut.after:
            answer = await anext(answers)
            yield answer
            sent, position = sent + 1, answer.revision
        await self._end(context, cut.way, position)

    async def opened(self, count: int) -> None:
        """Return once `count` streams have been opened."""
        while len(self.requests) < count:
            await self._news.wait()

    async def _answers(self, request: pb.WatchAgentsRequest) -> AsyncIterator[pb.WatchAgentsResponse]:
        position, beats = request.start_revision - 1, -1 if self.greets else self.beats
        if request.send_initial_state:
            position = self.newest
            for name, value in self.state.items():
                agent = pb.Agent(name=name, purpose=value)
                yield pb.WatchAgentsResponse(type=pb.WATCH_EVENT_TYPE_ADDED, revision=position, agent=agent)
            yield _bookmark(position, initial_state_end=True)
        elif not request.start_revision:
            position = self.newest
            yield _bookmark(position)
        else:
            position = max(self.compacted, position - self.overlap)
        while True:
            news = self._news
            for event in self.events[position:]:
                yield event
                position = event.revision
            if beats != self.beats:
                beats = self.beats
                yield _bookmark(position)
            if position == self.newest:
                await news.wait()

    def _refusal(self, request: pb.WatchAgentsRequest) -> Failure | None:
        start = request.start_revision
        if start > self.newest + 1:
            return RevisionInFuture(requested=start, newest=self.newest)
        if start and start <= self.compacted:
            return RevisionCompacted(requested=start, oldest=self.compacted + 1)
        return None

    async def _end(self, context: AnyContext, way: Way, position: int) -> None:
        match way:
            case "end":
                return
            case "too slow":
                await fail(context, WatcherTooSlow(resume_revision=position + 1))
            case "unauthenticated":
                await fail(context, Unauthenticated(problem="the token expired"))
            case "hang":
                await asyncio.Event().wait()
            case "denied":
                await fail(context, grpc.StatusCode.PERMISSION_DENIED)
            case "internal":
                await fail(context, grpc.StatusCode.INTERNAL)
            case "unavailable":
                await fail(context, grpc.StatusCode.UNAVAILABLE)

    def _append(self, kind: "pb.WatchEventType.ValueType", name: str, value: str) -> int:
        agent = pb.Agent(name=name, purpose=value)
        self.events.append(pb.WatchAgentsResponse(type=kind, revision=self.newest + 1, agent=agent))
        self._wake()
        return self.newest

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _bookmark(revision: int, *, initial_state_end: bool = False) -> pb.WatchAgentsResponse:
    return pb.WatchAgentsResponse(
        type=pb.WATCH_EVENT_TYPE_BOOKMARK, revision=revision, initial_state_end=initial_state_end
    )
