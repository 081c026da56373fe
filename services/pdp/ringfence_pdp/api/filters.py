"""`ringfence.pdp.v1.FilterService`."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ringfence.pdp.v1 import filter_pb2 as pb
from ringfence.pdp.v1 import filter_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.wire import page_arguments

from ringfence_pdp.classifiers.encoding import Encoding
from ringfence_pdp.convert import filters as convert
from ringfence_pdp.facts import Facts
from ringfence_pdp.filter_metrics import ScanCounts
from ringfence_pdp.filters.believed import believed
from ringfence_pdp.filters.engines import Engines
from ringfence_pdp.filters.looking import doubts
from ringfence_pdp.filters.rule_list import page_of
from ringfence_pdp.filters.scanning import content_for, is_ready, make_ready, scan_content, with_second


class FilterApi(filter_pb2_grpc.FilterServiceServicer):
    """Scans content, and shows the rules it is scanned by."""

    def __init__(
        self,
        engines: Callable[[], Engines],
        *,
        facts: Callable[[], Facts],
        encoding: Encoding,
        tokens: PageTokens,
        clock: Clock,
    ) -> None:
        """`engines` are those of the bundle that decides."""
        self.counts = ScanCounts()
        self._engines = engines
        self._making = asyncio.Lock()
        self._facts = facts
        self._encoding = encoding
        self._tokens = tokens
        self._clock = clock

    async def Scan(self, request: pb.ScanRequest, context: Any) -> pb.ScanResponse:
        """Look through content with every filter."""
        asked = convert.scan(request)
        content = content_for(
            asked.content(),
            written_in=asked.written_in,
            action=asked.action,
            tool=asked.tool,
            contract=self._facts().tools.get(asked.tool),
            types=asked.types,
            origins=believed(asked.origins, current_caller()),
        )
        engines = await self._ready()
        started = time.perf_counter()
        scanned = scan_content(content, engines)
        if self._encoding.is_asked:
            scanned = with_second(scanned, await self._encoding.ask(doubts(content, engines)))
        self.counts.scanned(scanned.severity, time.perf_counter() - started)
        return convert.scanned_to_proto(scanned)

    async def ListFilterRules(self, request: pb.ListFilterRulesRequest, context: Any) -> pb.ListFilterRulesResponse:
        """List the rules patterns are matched by."""
        query, caller, now = convert.list_filter_rules(request), current_caller(), self._clock.now()
        arguments, after = page_arguments(request), b""
        if query.page_token:
            after = self._tokens.open(query.page_token, caller=caller.principal, arguments=arguments, now=now)
        page, more = page_of(await self._ready(), category=query.category, after=after.decode(), size=query.page_size)
        response = pb.ListFilterRulesResponse(rules=map(convert.rule_to_proto, page))
        if more:
            last = page[-1].id.encode()
            response.next_page_token = self._tokens.seal(last, caller=caller.principal, arguments=arguments, now=now)
        return response

    async def _ready(self) -> Engines:
        """Return the filters; those nobody used before are made in a thread, because decisions cannot wait for it."""
        engines = self._engines()
        if not is_ready(engines):
            async with self._making:
                await asyncio.to_thread(make_ready, engines)
        return engines


def filter_face(api: FilterApi) -> Face:
    """Return the service as the server takes it."""
    return Face(filter_pb2_grpc.add_FilterServiceServicer_to_server, api)
