"""`ringfence.telemetry.v1.PriceService`."""

from typing import Any

from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence.telemetry.v1 import budget_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_telemetry.convert import prices as convert
from ringfence_telemetry.prices.price import names_of
from ringfence_telemetry.prices.putting import PriceDesk
from ringfence_telemetry.store.usage import UsageStore


class PriceApi(budget_pb2_grpc.PriceServiceServicer):
    """What models cost."""

    def __init__(self, desk: PriceDesk, store: UsageStore, *, tokens: PageTokens, clock: Clock) -> None:
        self._desk = desk
        self._store = store
        self._tokens = tokens
        self._clock = clock

    async def PutPrices(self, request: pb.PutPricesRequest, context: Any) -> pb.PutPricesResponse:
        """Add prices."""
        prices, request_id = convert.put_prices(request)
        mutation = mutation_of(
            request, request_id=request_id, principal=current_caller().principal, now=self._clock.now()
        )
        return pb.PutPricesResponse(added=await self._desk.put(prices, mutation=mutation))

    async def ListPrices(self, request: pb.ListPricesRequest, context: Any) -> pb.ListPricesResponse:
        """List prices."""
        question, caller, now = convert.list_prices(request), current_caller().principal, self._clock.now()
        after, arguments = None, page_arguments(request)
        if question.page_token:
            after = convert.place(self._tokens.open(question.page_token, caller=caller, arguments=arguments, now=now))
        found = await self._store.prices(models=names_of(question.model), after=after, limit=question.page_size + 1)
        page = found[: question.page_size]
        response = pb.ListPricesResponse(prices=map(convert.price_message, page))
        if len(found) > len(page):
            last = convert.place_bytes(page[-1])
            response.next_page_token = self._tokens.seal(last, caller=caller, arguments=arguments, now=now)
        return response


def price_face(api: PriceApi) -> Face:
    """Return the API as the server registers it."""
    return Face(budget_pb2_grpc.add_PriceServiceServicer_to_server, api)
