"""What doctor makes of a service it can reach, cannot reach, or that says something is missing."""

import datetime as dt
import email.utils
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from ringfence_launcher.connection import Mesh
from ringfence_launcher.doctor.check import Check, Verdict
from ringfence_launcher.doctor.http_face import Feed, ask_face
from ringfence_launcher.doctor.services import check_clock, check_feed, check_service
from ringfence_launcher.endpoints import ConnectionFlags, Endpoints
from support.launcher.fake_services import FakeMesh

METRICS = """
# TYPE ringfence_pdp_feed_state gauge
ringfence_pdp_feed_state{feed="identity",state="live"} 1.0
ringfence_pdp_feed_state{feed="identity",state="cut"} 0.0
ringfence_pdp_feed_state{feed="registry",state="live"} 0.0
ringfence_pdp_feed_state{feed="registry",state="cut"} 1.0
ringfence_pdp_feed_state{feed="telemetry",state="connecting"} 1.0
# TYPE ringfence_pdp_feed_age_seconds gauge
ringfence_pdp_feed_age_seconds{feed="identity"} 1.2
ringfence_pdp_feed_age_seconds{feed="registry"} 31.0
"""


class FakeFace:
    """An HTTP port that says what it is told to say."""

    def __init__(self) -> None:
        self.address = ""
        self.ready: bytes = json.dumps({"ready": True, "unmet": {}}).encode()
        self.metrics = METRICS.encode()
        self.date = email.utils.formatdate(usegmt=True)


@pytest.fixture
def face() -> Iterator[FakeFace]:
    with fake_face() as running:
        yield running


@contextmanager
def fake_face() -> Iterator[FakeFace]:
    told = FakeFace()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = told.ready if self.path == "/readyz" else told.metrics
            self.send_response_only(200)
            self.send_header("date", told.date)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        told.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield told
        server.shutdown()
        thread.join()


def checks(mesh: FakeMesh, name: str, *, http: str | None, **flags: Any) -> dict[str, Check]:
    given = ConnectionFlags(addresses=[f"{name}={flags.pop('at', mesh.address)}"], **flags)
    with Mesh(Endpoints.of(given, subject=name, environment={}), timeout=2) as reached:
        return {check.what: check for check in check_service(reached, name, http_address=http)}


class TestFace:
    def test_what_it_says_is_read(self, face: FakeFace) -> None:
        face.ready = json.dumps({"ready": False, "unmet": {"policy": "being loaded"}}).encode()
        said = ask_face("pdp", face.address, None, timeout=2)
        assert said is not None
        assert said.unmet == {"policy": "being loaded"}
        assert abs(said.skew) < dt.timedelta(seconds=3)
        assert said.feeds == {
            "identity": Feed(state="live", age_seconds=1.2),
            "registry": Feed(state="cut", age_seconds=31.0),
            "telemetry": Feed(state="connecting", age_seconds=None),
        }

    def test_feeds_of_another_service_are_not_its_own(self, face: FakeFace) -> None:
        said = ask_face("registry", face.address, None, timeout=2)
        assert said is not None
        assert said.feeds == {}

    @pytest.mark.parametrize("ready", [b"", b"ok", b"[]", b"{}", b'{"unmet": []}', b"\xff"])
    def test_something_else_on_the_port_is_no_face(self, face: FakeFace, ready: bytes) -> None:
        face.ready = ready
        assert ask_face("pdp", face.address, None, timeout=2) is None

    @pytest.mark.parametrize("date", ["", "yesterday", "Sun, 22 Nov 2026 03:00:00 -0000"])
    def test_a_date_that_is_none_is_no_face(self, face: FakeFace, date: str) -> None:
        face.date = date
        assert ask_face("pdp", face.address, None, timeout=2) is None

    def test_nobody_there_is_no_face(self) -> None:
        assert ask_face("pdp", "127.0.0.1:9", None, timeout=1) is None


class TestClock:
    @pytest.mark.parametrize(
        ("seconds", "verdict"), [(0, "ok"), (4.9, "ok"), (-4.9, "ok"), (6, "wrong"), (-6, "wrong")]
    )
    def test_how_far_is_too_far(self, seconds: float, verdict: str) -> None:
        assert check_clock("pdp", dt.timedelta(seconds=seconds)).verdict == verdict

    def test_the_way_is_said(self) -> None:
        assert "60 s ahead" in check_clock("pdp", dt.timedelta(minutes=1)).found
        assert "60 s behind" in check_clock("pdp", -dt.timedelta(minutes=1)).found


class TestFeeds:
    @pytest.mark.parametrize(
        ("state", "verdict"), [("live", "ok"), ("late", "warning"), ("cut", "wrong"), ("connecting", "wrong")]
    )
    def test_only_a_live_feed_is_fine(self, state: str, verdict: str) -> None:
        check = check_feed("pdp", "identity", Feed(state=state, age_seconds=None))
        assert check.verdict == verdict
        assert bool(check.mend) == (verdict != "ok")


class TestService:
    def test_one_that_serves(self, mesh: FakeMesh, face: FakeFace, nowhere: object) -> None:
        found = checks(mesh, "pdp", http=face.address)
        assert found["pdp"].verdict is Verdict.OK
        assert found["pdp: credential"].verdict is Verdict.OK
        assert found["pdp: clock"].verdict is Verdict.OK
        assert found["pdp: feed from identity"].verdict is Verdict.OK
        assert found["pdp: feed from registry"].verdict is Verdict.WRONG

    @pytest.mark.parametrize("name", ["registry", "identity", "pdp", "telemetry"])
    def test_a_credential_each_service_refuses(self, mesh: FakeMesh, nowhere: object, name: str) -> None:
        mesh.token = "sesame"
        found = checks(mesh, name, http=None, token="wrong")
        assert found[name].verdict is Verdict.OK
        assert found[f"{name}: credential"].verdict is Verdict.WRONG
        assert checks(mesh, name, http=None, token="sesame")[f"{name}: credential"].verdict is Verdict.OK

    def test_nobody_listening(self, mesh: FakeMesh, nowhere: object) -> None:
        found = checks(mesh, "pdp", http=None, at="127.0.0.1:9")
        assert list(found) == ["pdp"]
        assert "nobody listens" in found["pdp"].found
        assert "ringfence up" in found["pdp"].mend

    def test_something_else_listening(self, mesh: FakeMesh, nowhere: object) -> None:
        found = checks(mesh, "pdp", http=None, at=mesh.address_of_nothing)
        assert "is no Ringfence service" in found["pdp"].found

    def test_one_that_waits_says_what_for(self, mesh: FakeMesh, face: FakeFace, nowhere: object) -> None:
        mesh.serving = False
        face.ready = json.dumps({"ready": False, "unmet": {"identity": "not heard yet"}}).encode()
        assert checks(mesh, "pdp", http=face.address)["pdp"].found == "not ready: identity: not heard yet"
        assert "/readyz" in checks(mesh, "pdp", http=None)["pdp"].mend
