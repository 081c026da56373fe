"""The issuers of the environments that are in use, kept fresh.

- an environment's issuer is asked for when the first agent of it is heard of, and every 30 s from then on;
- when identity says that a key was revoked it is asked at once, since the key that follows may be new;
- what was good is kept while identity cannot be asked: a key that is killed meanwhile is told by the stream of
  revocations, and when that falls silent too nothing is believed for long.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager

import structlog
from ringfence.errors import RingfenceError
from ringfence_kit.background import background
from ringfence_kit.clock import SECOND, Clock, Millis

from ringfence_pdp.chains.issuers import Issuer, Issuers

RETRY = Millis(5 * SECOND)
"""How soon an issuer that is not known is asked for again."""

REFRESH_EVERY = 6
"""How many of these lie between two looks at one that is known: a key is published long before it signs."""

_log = structlog.get_logger(__name__)


class IssuerKeys:
    """Keeps the issuers, inside `async with following()`."""

    def __init__(
        self, fetch: Callable[[str, str], Awaitable[Issuer]], *, clock: Clock, on_change: Callable[[], None]
    ) -> None:
        """`fetch` returns the issuer of an environment, given the DID of an agent in it."""
        self.known: Issuers = {}
        """Those that were fetched; another mapping whenever one of them changes."""
        self._fetch = fetch
        self._clock = clock
        self._on_change = on_change
        self._wanted: Mapping[str, str] = {}
        self._killed = 0
        self._news = asyncio.Event()

    def want(self, environments: Mapping[str, str], killed: Collection[str]) -> None:
        """Keep the issuers of `environments`, each with the DID of an agent. `killed`: the keys that were revoked."""
        if len(killed) > self._killed or len(environments) > len(self._wanted):
            self._news.set()
        # Looked at by number: the one who tells of them changes them in place, and takes none away.
        self._wanted, self._killed = dict(environments), len(killed)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Fetch beside the block. Nothing is waited for: what is not known verifies nothing."""
        async with background(self._fetch_when_told(), self._tell_now_and_then()):
            yield

    async def _tell_now_and_then(self) -> None:
        for turn in itertools.count(1):
            await self._clock.sleep(RETRY)
            if turn % REFRESH_EVERY == 0 or self._wanted.keys() - self.known.keys():
                self._news.set()

    async def _fetch_when_told(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            for environment, agent in tuple(self._wanted.items()):
                await self._refresh(environment, agent)

    async def _refresh(self, environment: str, agent: str) -> None:
        try:
            fetched = await self._fetch(environment, agent)
        except (RingfenceError, ValueError) as problem:
            _log.warning("issuer_not_fetched", environment=environment, problem=str(problem))
            return
        known = self.known.get(environment)
        if known is None or not known.signs_as(fetched):
            self.known = {**self.known, environment: fetched}
            self._on_change()
