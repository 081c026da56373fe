"""A request for every method of SloService and BreakerService."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc.aio
from google.protobuf.message import Message
from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub


@dataclass(frozen=True, slots=True)
class PromiseRequests:
    """Requests about the agent of this name."""

    agent: str
    channel: grpc.aio.Channel
    """To telemetry, as someone who may define objectives."""
    numbers: "itertools.count[int]"

    def makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        """Return what makes a request, for each method."""
        needs = [pb.Dependency(agent="did:web:b", target="0.995", fallbacks=[pb.Fallback(agent="c", target="0.9")])]
        return {
            "SloService/CreateSlo": self._create,
            "SloService/GetSlo": self._get,
            "SloService/ListSlos": self._list,
            "SloService/UpdateSlo": self._update,
            "SloService/DeleteSlo": self._delete,
            "SloService/EvaluateSlo": self._evaluate,
            "SloService/CheckFeasibility": _always(
                pb.CheckFeasibilityRequest(own_target="0.999", dependencies=needs, target="0.9")
            ),
            "SloService/ImportOpenSlo": self._import,
            "SloService/ExportOpenSlo": self._export,
            "BreakerService/ListBreakers": self._list_breakers,
            "BreakerService/OverrideBreaker": self._override,
        }

    async def _create(self) -> pb.CreateSloRequest:
        number = next(self.numbers)
        # Each of another agent: one may have so many only.
        slo = pb.Slo(agent=f"did:web:agent-{number}.example", target="0.99", display_name="Sound", operation="quote")
        return pb.CreateSloRequest(slo_id=f"sound-{number}", slo=slo)

    async def _made(self) -> pb.Slo:
        slo: pb.Slo = (await SloServiceStub(self.channel).CreateSlo(await self._create())).slo
        return slo

    async def _list(self) -> Message:
        for _ in range(2):  # so that there is a second page
            await self._made()
        return pb.ListSlosRequest(page_size=1)

    async def _list_breakers(self) -> Message:
        for _ in range(2):  # as above
            await BreakerServiceStub(self.channel).OverrideBreaker(await self._override())
        return pb.ListBreakersRequest(agent=self.agent, page_size=1)

    async def _get(self) -> Message:
        return pb.GetSloRequest(name=(await self._made()).name)

    async def _update(self) -> Message:
        made = await self._made()
        return pb.UpdateSloRequest(slo=pb.Slo(name=made.name, target="0.9"), etag=made.etag)

    async def _delete(self) -> Message:
        return pb.DeleteSloRequest(name=(await self._made()).name)

    async def _evaluate(self) -> Message:
        return pb.EvaluateSloRequest(name=(await self._made()).name)

    async def _export(self) -> Message:
        return pb.ExportOpenSloRequest(names=[(await self._made()).name])

    async def _import(self) -> Message:
        stub = SloServiceStub(self.channel)
        made = await self._made()
        exported = await stub.ExportOpenSlo(pb.ExportOpenSloRequest(names=[made.name]))
        await stub.DeleteSlo(pb.DeleteSloRequest(name=made.name))
        return pb.ImportOpenSloRequest(document=exported.document)

    async def _override(self) -> pb.OverrideBreakerRequest:
        skill = f"sound-{next(self.numbers)}"
        return pb.OverrideBreakerRequest(
            agent=self.agent, skill=skill, override=pb.BREAKER_OVERRIDE_DISABLED, reason="A sound reason."
        )


def _always(message: Message) -> Callable[[], Awaitable[Message]]:
    async def make() -> Message:
        return message

    return make
