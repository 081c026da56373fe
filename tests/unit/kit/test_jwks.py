"""Keys from files and URLs: fetched seldom, kept while the issuer is away, and never by following a redirect."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from ringfence_kit.clock import HOUR, MINUTE, SECOND, ManualClock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.jwks import MAX_BYTES, FileKeys, LocalKeys, UrlKeys, fetch_bytes, parse_jwks

FIRST = {"keys": [{"kid": "1"}]}
SECOND_SET = {"keys": [{"kid": "2"}]}


class Fetched:
    """Stands for the network: gives what it is told to, and counts."""

    def __init__(self) -> None:
        self.answer: bytes | Exception = json.dumps(FIRST).encode()
        self.count = 0

    def __call__(self, _url: str, _ca_file: Path | None) -> bytes:
        self.count += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def network() -> Fetched:
    return Fetched()


@pytest.fixture
def keys(clock: ManualClock, network: Fetched) -> UrlKeys:
    return UrlKeys("https://corp.example/jwks", clock, fetch=network)


class TestUrls:
    async def test_fetched_once_for_many(self, keys: UrlKeys, network: Fetched) -> None:
        sets = await asyncio.gather(*(keys.jwks() for _ in range(10)))
        assert sets == [FIRST] * 10
        assert network.count == 1

    async def test_looked_at_again_at_most_every_ten_seconds(
        self, keys: UrlKeys, network: Fetched, clock: ManualClock
    ) -> None:
        await keys.jwks()
        network.answer = json.dumps(SECOND_SET).encode()
        for _ in range(100):
            await keys.look_again()
        assert (network.count, await keys.jwks()) == (1, FIRST)
        clock.advance(Millis(10 * SECOND))
        await asyncio.gather(*(keys.look_again() for _ in range(100)))
        assert (network.count, await keys.jwks()) == (2, SECOND_SET)

    async def test_a_failing_issuer_is_not_asked_more_often(
        self, keys: UrlKeys, network: Fetched, clock: ManualClock
    ) -> None:
        network.answer = OSError("unreachable")
        for _ in range(100):
            with pytest.raises(Unavailable):
                await keys.jwks()
        assert network.count == 1
        clock.advance(Millis(10 * SECOND))
        network.answer = json.dumps(FIRST).encode()
        assert await keys.jwks() == FIRST

    async def test_attack_an_answer_that_never_ends_holds_up_nobody(self, clock: ManualClock) -> None:
        began, ends, fetches = Event(), Event(), list[str]()

        def drips(url: str, _ca_file: Path | None) -> bytes:
            fetches.append(url)
            if len(fetches) == 2:
                began.set()
                ends.wait()
            return json.dumps(FIRST).encode()

        keys = UrlKeys("https://corp.example/jwks", clock, fetch=drips)
        assert await keys.jwks() == FIRST
        try:
            for _ in range(3):
                clock.advance(Millis(10 * SECOND))
                asked = asyncio.create_task(keys.look_again())
                await asyncio.to_thread(began.wait)
                while not asked.done():
                    clock.advance(Millis(10 * SECOND))
                    await asyncio.sleep(0)
                assert await keys.jwks() == FIRST
        finally:
            ends.set()
        assert len(fetches) == 2

    def test_attack_an_answer_that_never_ends_does_not_keep_a_process_from_ending(self, clock: ManualClock) -> None:
        began, ends = Event(), Event()

        def drips(_url: str, _ca_file: Path | None) -> bytes:
            began.set()
            ends.wait()
            return b""

        async def life() -> None:
            asked = asyncio.create_task(UrlKeys("https://corp.example/jwks", clock, fetch=drips).look_again())
            await asyncio.to_thread(began.wait)
            while not asked.done():
                clock.advance(Millis(10 * SECOND))
                await asyncio.sleep(0)

        process = Thread(target=asyncio.run, args=(life(),), daemon=True)
        process.start()
        process.join(timeout=10)
        lives_on = process.is_alive()
        ends.set()
        assert not lives_on

    @pytest.mark.parametrize("answer", [OSError("away"), b"", b"[]", b"{}", b'{"keys": {}}', b"\xff", b"[" * 100_000])
    async def test_good_keys_are_kept_for_an_hour(
        self, keys: UrlKeys, network: Fetched, clock: ManualClock, answer: bytes | Exception
    ) -> None:
        await keys.jwks()
        network.answer = answer
        clock.advance(HOUR)
        await keys.look_again()
        assert await keys.jwks() == FIRST
        clock.advance(Millis(1))
        with pytest.raises(Unavailable):
            await keys.jwks()

    async def test_kept_fresh_in_the_background(self, network: Fetched, clock: ManualClock) -> None:
        network.answer = json.dumps(SECOND_SET).encode()
        fetching, loop = asyncio.Event(), asyncio.get_running_loop()

        def fetch(url: str, ca_file: Path | None) -> bytes:
            loop.call_soon_threadsafe(fetching.set)
            return network(url, ca_file)

        keys = UrlKeys("https://corp.example/jwks", clock, refresh=MINUTE, fetch=fetch)
        following = asyncio.create_task(keys.keep_fresh())
        await asyncio.sleep(0)
        clock.advance(MINUTE)
        await fetching.wait()
        # Waits for the fetch that is under way, and starts none.
        await keys.look_again()
        following.cancel()
        assert (await keys.jwks(), network.count) == (SECOND_SET, 1)


class TestFiles:
    async def test_read_again_when_it_changes(self, tmp_path: Path) -> None:
        file = tmp_path / "jwks.json"
        file.write_text(json.dumps(FIRST))
        keys = FileKeys(file)
        assert await keys.jwks() == FIRST
        write(file, json.dumps(SECOND_SET))
        assert await keys.jwks() == SECOND_SET

    @pytest.mark.parametrize("content", ["nonsense", "[]", None])
    async def test_a_broken_file_leaves_the_last_good_keys(self, tmp_path: Path, content: str | None) -> None:
        file = tmp_path / "jwks.json"
        file.write_text(json.dumps(FIRST))
        keys = FileKeys(file)
        await keys.jwks()
        write(file, content)
        assert await keys.jwks() == FIRST

    async def test_no_file_at_all(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path / "none.json")
        with pytest.raises(Unavailable):
            await keys.jwks()
        await keys.look_again()
        await keys.keep_fresh()


def write(file: Path, content: str | None) -> None:
    """Put other content there, by replacing the file as a rotation does."""
    file.unlink()
    if content is not None:
        other = file.with_suffix(".new")
        other.write_text(content)
        os.utime(other, ns=(1, 1))
        other.rename(file)


async def test_our_own_keys_are_asked_for_each_time() -> None:
    sets = iter([FIRST, SECOND_SET])
    keys = LocalKeys(lambda: next(sets))
    assert [await keys.jwks(), await keys.jwks()] == [FIRST, SECOND_SET]
    await keys.look_again()
    await keys.keep_fresh()


def test_a_set_that_is_too_large() -> None:
    with pytest.raises(ValueError, match="larger than"):
        parse_jwks(b'{"keys": []}' + b" " * MAX_BYTES)


class TestFetching:
    @pytest.fixture
    def served(self) -> Iterator[Callable[[str], str]]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", "/jwks")
                    self.end_headers()
                    return
                body = b"x" * (4 * MAX_BYTES) if self.path == "/huge" else json.dumps(FIRST).encode()
                self.send_response(404 if self.path == "/gone" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield lambda path: f"http://127.0.0.1:{server.server_port}{path}"
        server.shutdown()
        thread.join()
        server.server_close()

    def test_a_set(self, served: Callable[[str], str]) -> None:
        assert parse_jwks(fetch_bytes(served("/jwks"), None)) == FIRST

    @pytest.mark.parametrize("path", ["/moved", "/gone"])
    def test_redirects_and_errors_are_failures(self, served: Callable[[str], str], path: str) -> None:
        with pytest.raises(OSError, match="HTTP Error"):
            fetch_bytes(served(path), None)

    def test_reading_stops_where_it_is_too_large(self, served: Callable[[str], str]) -> None:
        assert MAX_BYTES < len(fetch_bytes(served("/huge"), None)) < 2 * MAX_BYTES

    def test_nobody_there(self) -> None:
        with pytest.raises(OSError, match="refused"):
            fetch_bytes("http://127.0.0.1:1/jwks", None)
