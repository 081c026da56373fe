"""Where the public keys of a token issuer come from: a file, a URL, or the service itself.

The rules:

- nothing a caller sends makes us fetch more often than every ten seconds, whatever key ids it invents;
- keys that were good are kept while the issuer cannot be reached, for an hour; then nothing verifies, and callers are
  told to retry, since it is not their fault;
- a fetch follows no redirect, reads at most 256 KiB, waits at most five seconds, and runs in a thread of its own;
- an issuer that answers so slowly that a fetch never ends holds up nobody, not even the end of the process, and gets no
  second fetch while it does.
"""

import asyncio
import json
import os
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from threading import Thread
from typing import IO, Any, Protocol

import structlog

from ringfence_kit.clock import HOUR, MINUTE, SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable

_log = structlog.get_logger(__name__)

Jwks = Mapping[str, Any]
"""A JWK set (RFC 7517 5) as JSON holds it."""

MAX_BYTES = 256 << 10
FETCH_SECONDS = 5.0
FETCH_LONGEST = Millis(10 * SECOND)
"""After which nobody waits for a fetch any more: the head of an answer can be dripped past every timeout of a read."""
_CHUNK = 16 << 10
LOOK_AGAIN_EVERY = Millis(10 * SECOND)
KEEP_FOR = HOUR


class KeySource(Protocol):
    """Where the public keys of an issuer come from."""

    async def jwks(self) -> Jwks:
        """Return the current set, equal to the last one while nothing changed; Unavailable when there is none."""
        ...

    async def look_again(self) -> None:
        """Fetch again because a key is missing, unless that was done a moment ago. Never raises."""
        ...

    async def keep_fresh(self) -> None:
        """Run for the life of the server, fetching now and then; returns at once when there is nothing to fetch."""
        ...


class LocalKeys:
    """Keys of an issuer in this very process, asked for each time; what `read` returns is not changed afterwards."""

    def __init__(self, read: Callable[[], Jwks]) -> None:
        self._read = read

    async def jwks(self) -> Jwks:
        """Return what the issuer publishes now."""
        return self._read()

    async def look_again(self) -> None:
        """Do nothing: the keys are always the newest."""

    async def keep_fresh(self) -> None:
        """Do nothing: there is nothing to fetch."""


class FileKeys:
    """Keys in a file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._set: Jwks | None = None

    async def jwks(self) -> Jwks:
        """Return the file's set; the last good one while the file is missing or broken."""
        self._read_if_changed()
        if self._set is None:
            raise Unavailable(problem=f"the keys in {self._path.name} cannot be read")
        return self._set

    async def look_again(self) -> None:
        """Do nothing: the file is looked at every time."""

    async def keep_fresh(self) -> None:
        """Do nothing: there is nothing to fetch."""

    def _read_if_changed(self) -> None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - one system call on the way of every uncached token
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                self._seen = seen
                self._set = parse_jwks(self._path.read_bytes())
        except (OSError, ValueError) as error:
            _log.warning("issuer keys not read, the old ones stay", file=str(self._path), problem=str(error))


class UrlKeys:
    """Keys published at a URL, fetched now and then and when a key is missing."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        refresh: Millis = MINUTE,
        ca_file: Path | None = None,
        fetch: Callable[[str, Path | None], bytes] | None = None,
    ) -> None:
        self._url = url
        self._clock = clock
        self._refresh = refresh
        self._ca_file = ca_file
        self._fetch = fetch or fetch_bytes
        self._one_at_a_time = asyncio.Lock()
        self._set: Jwks | None = None
        self._fetched_at = Instant(0)
        self._tried_at: Instant | None = None
        self._fetching: asyncio.Future[bytes] | None = None

    async def jwks(self) -> Jwks:
        """Return the last set fetched, if it is not too old; fetch the first one."""
        if self._set is None or self._clock.now() - self._fetched_at > KEEP_FOR:
            await self.look_again()
        if self._set is None or self._clock.now() - self._fetched_at > KEEP_FOR:
            raise Unavailable(problem="the token issuer's keys cannot be fetched")
        return self._set

    async def look_again(self) -> None:
        """Fetch, unless it was tried less than ten seconds ago; several callers at once share one fetch."""
        async with self._one_at_a_time:
            now = self._clock.now()
            if self._tried_at is None or not 0 <= now - self._tried_at < LOOK_AGAIN_EVERY:
                await self._load(now)

    async def keep_fresh(self) -> None:
        """Fetch every `refresh` until cancelled."""
        while True:
            await self._clock.sleep(self._refresh)
            async with self._one_at_a_time:
                await self._load(self._clock.now())

    async def _load(self, now: Instant) -> None:
        self._tried_at = now
        try:
            self._set = parse_jwks(await self._fetched())
            self._fetched_at = now
        except (OSError, ValueError) as error:
            _log.warning("issuer keys not fetched, the old ones stay", url=self._url, problem=str(error))

    async def _fetched(self) -> bytes:
        """Return what is at the URL; OSError when it cannot be had in time."""
        if self._fetching is None:
            self._fetching = self._begun()
        fetching, late = self._fetching, asyncio.ensure_future(self._clock.sleep(FETCH_LONGEST))
        either: set[asyncio.Future[Any]] = {fetching, late}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
        if not fetching.done():
            raise TimeoutError(f"is not answered in full after {FETCH_LONGEST // 1_000} s")
        self._fetching = None
        return fetching.result()

    def _begun(self) -> asyncio.Future[bytes]:
        """Begin a fetch. The threads of asyncio will not do: whoever ends a process waits for all of them."""
        fetched = Future[bytes]()

        def fetch() -> None:
            try:
                fetched.set_result(self._fetch(self._url, self._ca_file))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the fetch is awaited
                fetched.set_exception(error)

        Thread(target=fetch, name="ringfence-jwks", daemon=True).start()
        return asyncio.wrap_future(fetched)


def parse_jwks(raw: bytes) -> Jwks:
    """Return the JWK set in `raw`; ValueError when it is not one."""
    if len(raw) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES} bytes")
    try:
        document = json.loads(raw)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError('is not a JWK set: it has no list "keys"')  # noqa: TRY004 - callers collect ValueError
    return document


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key server that sends us elsewhere is not the one the operator trusted."""

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow nothing; urllib then raises the 3xx as an HTTPError."""


def fetch_bytes(url: str, ca_file: Path | None) -> bytes:
    """Return what is at `url`; OSError when it cannot be had. Blocks, so it is called in a thread."""
    context = ssl.create_default_context(cafile=ca_file)
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the operator's own URL, scheme checked by the configuration
    # The timeout bounds one read; a server that drips bytes is bounded by the deadline.
    deadline = time.monotonic() + FETCH_SECONDS
    body = bytearray()
    try:
        with opener.open(request, timeout=FETCH_SECONDS) as response:
            while (chunk := response.read1(_CHUNK)) and len(body) <= MAX_BYTES:
                body += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError(f"took longer than {FETCH_SECONDS:g} s")
    except HTTPException as error:
        raise OSError(f"is not served as HTTP: {error!r}") from None
    return bytes(body)
