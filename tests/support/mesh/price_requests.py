"""A request for every method of PriceService."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc.aio
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence.telemetry.v1.budget_pb2_grpc import PriceServiceStub


@dataclass(frozen=True, slots=True)
class PriceRequests:
    """Requests about a model nobody calls."""

    channel: grpc.aio.Channel
    """To telemetry, as someone who may put prices."""
    numbers: "itertools.count[int]"

    def makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        """Return what makes a request, for each method."""
        return {"PriceService/PutPrices": self._put, "PriceService/ListPrices": self._list}

    async def _put(self) -> pb.PutPricesRequest:
        price = pb.Price(
            model="nobody calls it",
            provider="example",
            effective_time=Timestamp(seconds=next(self.numbers)),
            currency="EUR",
            input_nanos_per_million=1,
            cache_read_nanos_per_million=2,
            cache_write_nanos_per_million=3,
            output_nanos_per_million=4,
            source="a test",
        )
        return pb.PutPricesRequest(prices=[price])

    async def _list(self) -> Message:
        for _ in range(2):  # so that there is a second page
            await PriceServiceStub(self.channel).PutPrices(await self._put())
        return pb.ListPricesRequest(model="nobody calls it", page_size=1)
