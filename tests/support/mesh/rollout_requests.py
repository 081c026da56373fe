"""Requests about bundles on their way that are in order: something is kept, something is tried, there is a way back.

Whatever is tried or goes into force says what the policies of the mesh say anyway, with another remark in it.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from grpc import aio
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub


@dataclass(slots=True, kw_only=True)
class RolloutRequests:
    """Each keeps a bundle nobody has seen."""

    channel: aio.Channel
    files: Sequence[pb.PolicyFile]
    numbers: "Iterator[int]"

    def makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        """Return, by method, what makes a request."""
        return {
            "BundleService/UploadBundle": self._upload,
            "BundleService/ListBundles": self._list,
            "BundleService/GetRollout": self._get,
            "BundleService/SetRollout": self._set,
            "BundleService/PromoteBundle": self._promote,
            "BundleService/RollbackBundle": self._roll_back,
            "BundleService/GetWouldFlips": self._flips,
        }

    async def _upload(self) -> pb.UploadBundleRequest:
        remark = pb.PolicyFile(path="house.yaml", content=self.files[0].content + b"# %d\n" % next(self.numbers))
        return pb.UploadBundleRequest(files=[remark, *self.files[1:]])

    async def _kept(self) -> str:
        answer = await BundleServiceStub(self.channel).UploadBundle(await self._upload())
        name: str = answer.bundle.name
        return name

    async def _list(self) -> Message:
        await self._kept()
        return pb.ListBundlesRequest(page_size=1)

    async def _get(self) -> Message:
        return pb.GetRolloutRequest()

    async def _set(self) -> pb.SetRolloutRequest:
        return pb.SetRolloutRequest(
            candidate=await self._kept(),
            mode=pb.ROLLOUT_MODE_CANARY,
            percent=1,
            auto_abort=pb.AutoAbort(max_flip_rate=0.5, max_error_rate=0.5, min_decisions=1_000),
        )

    async def _tried(self) -> None:
        await BundleServiceStub(self.channel).SetRollout(await self._set())

    async def _promote(self) -> Message:
        """With the etag and without it by turns: nothing else tells two such requests apart."""
        stub = BundleServiceStub(self.channel)
        rollout = (await stub.GetRollout(pb.GetRolloutRequest())).rollout
        if not rollout.candidate:
            rollout = (await stub.SetRollout(await self._set())).rollout
            next(self.numbers)  # an odd number is used up either way
        return pb.PromoteBundleRequest(etag=rollout.etag if next(self.numbers) % 2 else "")

    async def _roll_back(self) -> Message:
        return pb.RollbackBundleRequest(name=await self._kept(), reason="It was better before.")

    async def _flips(self) -> Message:
        await self._tried()
        return pb.GetWouldFlipsRequest()
