"""Everything that can be wrong with a request, sent to every method of every service: it is answered in our words.

Never INTERNAL, never UNKNOWN, never a stack trace; always an ErrorInfo with a reason that the service's errors.proto
documents, and for INVALID_REQUEST the path of every field at fault. The methods are read from what is served: one that
is added later is tested without being named here, and fails until `sound_requests` knows a request for it.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ringfence.pdp.v1 import decision_pb2
from ringfence_kit.clock import SECOND, Millis, SystemClock
from ringfence_kit.dev_tokens import person_token, token_path
from support.mesh.contract import REASONS, Rpc, every_rpc, is_open_ended, is_output_only, names_a_field
from support.mesh.damage import UNKNOWN_ENUM_VALUES, F, Way, bad_values, not_utf8, spoiled, ways_to, written
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.leaping import LeapingClock
from support.mesh.people_requests import FOR_PEOPLE, GROUP
from support.mesh.process import QUICK_TO_RECONNECT
from support.mesh.sound_requests import FOR_SERVICES, SoundRequests
from support.wire import Refusal, messages, raw_stream, read_refusal, read_status

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

EVERY_RPC = pytest.mark.parametrize("rpc", every_rpc(), ids=str)
ONCE_EACH = pytest.mark.parametrize("rpc", {rpc.name: rpc for rpc in every_rpc()}.values(), ids=str)
"""OTLP is served on two ports, by the same code."""


def having(name: str) -> pytest.MarkDecorator:
    """Run a test for each method whose request has this field."""
    return pytest.mark.parametrize("rpc", [rpc for rpc in every_rpc() if rpc.has(name)], ids=str)


PAGED = having("page_token")

WORK_SETTLES_WITHIN = Millis(31 * SECOND)

MAX_BYTES = 1 << 20
"""A smaller limit than by default, so that going over it takes less to send."""

OTLP = frozenset({"TraceService/Export", "LogsService/Export", "MetricsService/Export"})
"""OTLP says what is taken: much, and what is newer than we are."""

ANSWERED_EMPTY = frozenset(
    {
        "IdentityService/ListSponsors",
        "IdentityService/ListAgentIdentities",
        "IdentityService/WatchAgents",
        "IdentityService/WatchRevocations",
        "TransparencyService/ListLogEntries",
        "TransparencyService/GetCheckpoint",
        "TransparencyService/GetInclusionProof",  # of entry 0, which is there from the first start on
        "TransparencyService/GetConsistencyProof",
        "NamespaceService/ListNamespaces",
        "UsageService/GetUsage",
        "PriceService/ListPrices",
        "HealthService/WatchHealth",
        "BudgetService/ListBudgets",
        "BudgetService/WatchBudgets",
        "AlertService/WatchAlerts",
        "AlertService/ListAlerts",
        "AlertService/ListSilences",
        "SloService/ListSlos",
        "SloService/CheckFeasibility",  # of an agent that depends on nobody
        "SloService/ExportOpenSlo",
        "BreakerService/ListBreakers",
        "AuditService/ListEntries",
        "AuditService/GetCheckpoint",
        "AuditService/GetConsistencyProof",  # the empty log is a prefix of every log
        "AuditService/WatchCheckpoints",
        "AuditService/ListWitnesses",
        "AuditService/GetTile",  # the first one
        *OTLP,
        "WorkflowService/ListWorkflows",
        "BundleService/GetBundle",
        "BundleService/ListBundles",
        "BundleService/GetRollout",
        "BundleService/PromoteBundle",  # what is tried, and something is
        "BundleService/GetWouldFlips",
        "KillSwitchService/ListKillSwitches",
        "ApprovalService/ListApprovals",
        "ApprovalService/WatchApprovals",
        "LimitService/ListLimits",
        "FilterService/ListFilterRules",
        "DecisionService/WatchDecisions",
        "Authorization/Check",  # with a denial: a gateway is told what to do, whatever it sends
    }
)
"""Methods whose request has no required field."""

REFUSED_ALL_THE_SAME = {
    "TrustService/GrantRing": "RING_NOT_EARNED",
    "EvaluationService/PinBaseline": "BASELINE_TOO_SMALL",
    "EvaluationService/GetDrift": "BASELINE_NOT_FOUND",
}
"""Methods whose sound request is refused in a mesh this young: ring 0 takes weeks of good work, a baseline some."""

BATCH, IN_A_BATCH = "DecisionService/BatchCheck", "requests."
STREAM = "DecisionService/CheckStream"

GOVERNING = frozenset({"update_mask"})
"""Fields that say which others are read: what is wrong then stands there."""

REFUSED_FOR_ITS_FORM = frozenset({"MALFORMED_MESSAGE", "INVALID_REQUEST"})
"""Before anything is looked up, let alone changed."""

QUIET_S = 0.3
"""A stream that says nothing for so long was accepted."""

CHANGES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 6), st.binary(max_size=8)), min_size=1, max_size=4)
"""Where, how many bytes go, and what comes instead."""

OK = Refusal(code="OK", reason="", message="", metadata={}, violations={}, retry_after=None, trailers={})


@dataclass(slots=True, kw_only=True)
class Stranger:
    """Sends any bytes with any headers to any method, and holds what comes back to the contract."""

    mesh: InProcessMesh
    sound: SoundRequests
    _channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    _headers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    unspent: dict[str, Message] = field(default_factory=dict)
    """Sound requests of the test that runs, which nobody acted upon so far."""
    page_tokens: dict[str, str] = field(default_factory=dict)
    """A token that is good for each List method, by its name, as they were once asked for."""

    def operator(self) -> list[tuple[str, str]]:
        """Return the headers of somebody who may do everything."""
        return self.holding("operator")

    def bearer(self, rpc: Rpc) -> list[tuple[str, str]]:
        """Return the headers of somebody who may call `rpc`."""
        if rpc.name in FOR_PEOPLE:
            return self.being_a_person()
        return self.holding("service" if rpc.name in FOR_SERVICES else "operator")

    def holding(self, who: str) -> list[tuple[str, str]]:
        """Return the headers of the bearer of a development token."""
        if who not in self._headers:
            token = token_path(self.mesh.layout.data, who).read_text().strip()
            self._headers[who] = [("authorization", f"Bearer {token}")]
        return self._headers[who]

    def being_a_person(self) -> list[tuple[str, str]]:
        """Return the headers of an approver, made of the operator's token as a terminal does."""
        operator = token_path(self.mesh.layout.data, "operator").read_text().strip()
        token = person_token(operator, name="ada", groups=[GROUP], now=SystemClock().now())
        return [("authorization", f"Bearer {token}")]

    async def spoil(self, rpc: Rpc, spoiling: Callable[[Message], bytes]) -> Refusal:
        """Return how a sound request went that was spoiled.

        What was refused for its own form was not acted upon, so what it was made from is still sound, and is spoiled
        again by the same test; whatever got further is made anew.
        """
        sound = self.unspent.pop(rpc.name, None) or await self.sound.request(rpc.name)
        told = await self.send(rpc, spoiling(sound))
        if told.reason in REFUSED_FOR_ITS_FORM:
            self.unspent[rpc.name] = sound
        return told

    async def send(
        self, rpc: Rpc, *bodies: bytes, headers: Sequence[tuple[str, str]] | None = None, path: str = ""
    ) -> Refusal:
        """Return how a call went; a stream's first answer is its answer."""
        call: Any = raw_stream(self._channel(rpc.setting), path or rpc.path)(
            messages(bodies), metadata=self.bearer(rpc) if headers is None else headers, timeout=30
        )
        try:
            if rpc.name == STREAM:
                return answer_refusal(rpc, await said(call))
            answer = await asyncio.wait_for(call.read(), QUIET_S if rpc.streams else None)
        except TimeoutError:
            return OK
        except grpc.aio.AioRpcError as error:
            told = read_refusal(error)
            check_refusal(rpc, told, rpc.fields)
            return told
        finally:
            call.cancel()
        return item_refusal(rpc, answer) if rpc.name == BATCH else OK

    def _channel(self, setting: str) -> grpc.aio.Channel:
        if setting not in self._channels:
            options = [*QUICK_TO_RECONNECT, ("grpc.max_metadata_size", 1 << 20)]
            channel = grpc.aio.insecure_channel(self.mesh.layout.addresses[setting], options=options)
            self.mesh.closing.push_async_callback(channel.close)
            self._channels[setting] = channel
        return self._channels[setting]


def item_refusal(rpc: Rpc, answer: bytes) -> Refusal:
    """Return how the first item of a batch that was refused was refused: each has the error it would get alone."""
    for result in decision_pb2.BatchCheckResponse.FromString(answer).results:
        if result.HasField("error"):
            told = read_status(result.error)
            check_refusal(rpc, told, decision_pb2.CheckRequest.DESCRIPTOR)
            return told
    return OK


async def said(call: Any) -> decision_pb2.CheckStreamAnswer:
    """Return the first answer of a stream of questions: an invalidation may come before it."""
    while not (response := decision_pb2.CheckStreamResponse.FromString(await call.read())).HasField("answer"):
        pass
    return response.answer


def answer_refusal(rpc: Rpc, answer: decision_pb2.CheckStreamAnswer) -> Refusal:
    """Return how a question of a stream was refused: the stream goes on."""
    if not answer.HasField("error"):
        return OK
    told = read_status(answer.error)
    check_refusal(rpc, told, rpc.fields)
    return told


def check_refusal(rpc: Rpc, told: Refusal, fields: Descriptor) -> None:
    """Fail unless a refusal is one of ours, documented, and says which of the request's fields are at fault."""
    assert told.code not in {"INTERNAL", "UNKNOWN", "DATA_LOSS"}, told
    assert told.reason in REASONS[rpc.service], told
    assert "Traceback" not in told.message
    if told.reason == "INVALID_REQUEST":
        assert told.violations, told
        for path in told.violations:
            assert names_a_field(fields, path), f"{path} is no field of {rpc}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stranger]:
    extra = {
        "server.limits": {"max_request_bytes": str(MAX_BYTES)},
        "server.quotas": {"write_per_second": "0", "read_per_second": "0", "stream_per_second": "0"},
        "telemetry.ingest": {"max_request_bytes": str(MAX_BYTES)},
        "identity.sponsors": {"agents": "0", "enrolments_per_hour": "0"},
    }
    clock = LeapingClock()
    async with in_process_mesh(tmp_path_factory.mktemp("mesh"), clocks={"telemetry": clock}, extra=extra) as mesh:
        sound = await SoundRequests.prepared(mesh)
        clock.leap(WORK_SETTLES_WITHIN)
        await sound.work.settled()
        yield Stranger(mesh=mesh, sound=sound)


@pytest.fixture(autouse=True)
def _requests_of_its_own(stranger: Stranger) -> None:
    # What was sound when another test asked for it may have run out since.
    stranger.unspent.clear()


async def test_there_is_a_sound_request_for_every_method_and_for_no_other(stranger: Stranger) -> None:
    assert stranger.sound.methods() == {rpc.name for rpc in every_rpc()}


@EVERY_RPC
async def test_a_sound_request_is_answered(stranger: Stranger, rpc: Rpc) -> None:
    sound = await stranger.sound.request(rpc.name)
    assert isinstance(sound, rpc.request)
    assert (await stranger.send(rpc, sound.SerializeToString())).reason == REFUSED_ALL_THE_SAME.get(rpc.name, "")


@EVERY_RPC
async def test_an_empty_message(stranger: Stranger, rpc: Rpc) -> None:
    await stranger.sound.request(rpc.name)  # so that there is what it is about
    told = await stranger.send(rpc, b"")
    assert (told.code, told.reason) == (
        ("OK", "") if rpc.name in ANSWERED_EMPTY else ("INVALID_ARGUMENT", "INVALID_REQUEST")
    )


@EVERY_RPC
async def test_no_message_at_all(stranger: Stranger, rpc: Rpc) -> None:
    told = await stranger.send(rpc)
    assert (told.code, told.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE")


@EVERY_RPC
async def test_a_message_that_is_cut_off(stranger: Stranger, rpc: Rpc) -> None:
    whole = (await stranger.sound.request(rpc.name)).SerializeToString()
    for length in {1, len(whole) // 3, len(whole) // 2, len(whole) - 1} & set(range(1, len(whole))):
        await stranger.send(rpc, whole[:length])
    told = await stranger.send(rpc, whole + b"\x0a\x7fshort")
    assert (told.code, told.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE")


@EVERY_RPC
async def test_bytes_that_are_no_message(stranger: Stranger, rpc: Rpc) -> None:
    for body in (b"\xff" * 9, b"\x0b" * 200, b"{}", b'{"name": "x"}', b"\x0a" + b"\xff" * 9 + b"\x01", b"\x07"):
        told = await stranger.send(rpc, body)
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE"), body


@EVERY_RPC
async def test_a_text_that_is_not_utf8_in_each_field(stranger: Stranger, rpc: Rpc) -> None:
    for way in ways_to(rpc.fields, F.TYPE_STRING):
        told = await stranger.spoil(rpc, partial(not_utf8, way=way))
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE"), written(way)


@EVERY_RPC
async def test_an_unknown_number_in_each_enum(stranger: Stranger, rpc: Rpc) -> None:
    for way in ways_to(rpc.fields, F.TYPE_ENUM):
        for value in UNKNOWN_ENUM_VALUES:
            told = await stranger.spoil(rpc, partial(with_value, way=way, value=value))
            if is_judged(rpc, way):
                assert told.reason == "INVALID_REQUEST", (written(way), value, told)
                named = {without_indexes(path) for path in told.violations}
                assert written(way).removeprefix(IN_A_BATCH) in named


@ONCE_EACH
async def test_values_at_and_past_every_edge_in_each_field(stranger: Stranger, rpc: Rpc) -> None:
    for way, value in bad_values(rpc.fields):
        told = await stranger.spoil(rpc, partial(with_value, way=way, value=value))
        if told.reason == "INVALID_REQUEST":
            named = {without_indexes(path) for path in told.violations}
            spoiled_field = written(way).removeprefix(IN_A_BATCH)
            assert way[0].name in GOVERNING or any(on_or_beside(path, spoiled_field) for path in named), (way, told)


@EVERY_RPC
async def test_a_message_over_the_limit(stranger: Stranger, rpc: Rpc) -> None:
    # Field 999, which no message has: the rest is sound.
    sound = (await stranger.sound.request(rpc.name)).SerializeToString()
    for size in (MAX_BYTES, 3 * MAX_BYTES):
        told = await stranger.send(rpc, sound + b"\xba\x3e" + varint(size) + os.urandom(16) * (size // 16))
        assert (told.code, told.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
        assert told.metadata["limit_bytes"] == str(MAX_BYTES)


@EVERY_RPC
async def test_no_credential_and_wrong_ones(stranger: Stranger, rpc: Rpc) -> None:
    body = (await stranger.sound.request(rpc.name)).SerializeToString()
    told = await stranger.send(rpc, body, headers=[])
    assert (told == OK) if rpc.is_open else (told.code, told.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    [(_, operator)] = stranger.operator()
    for authorization in (
        ["Bearer rfdev_" + "A" * 43],
        ["Bearer " + "x" * 9_000],
        ["Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJkZXY6b3BlcmF0b3IifQ."],
        ["Bearer"],
        ["Bearer "],
        [""],
        ["Basic b3BlcmF0b3I6b3BlcmF0b3I="],
        [operator[:-1]],
        [operator.removeprefix("Bearer ")],
        [operator, operator],
    ):
        headers = [("authorization", text) for text in authorization]
        told = await stranger.send(rpc, body, headers=headers)
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED"), authorization


@pytest.mark.parametrize(
    "rpc", [rpc for rpc in every_rpc() if rpc.has("request_id") and rpc.name not in REFUSED_ALL_THE_SAME], ids=str
)
async def test_a_request_id_that_was_used_for_something_else(stranger: Stranger, rpc: Rpc) -> None:
    ours = {"request_id": str(uuid.uuid4()), **({"validate_only": False} if rpc.has("validate_only") else {})}
    first, second = [changed(await stranger.sound.request(rpc.name), **ours) for _ in range(2)]
    assert first != second
    assert await stranger.send(rpc, first) == OK
    assert await stranger.send(rpc, first) == OK
    told = await stranger.send(rpc, second)
    assert (told.code, told.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


@having("request_id")
@pytest.mark.parametrize("text", ["x", "1", "{}", "00000000-0000-0000-0000-00000000000g", "a" * 36])
async def test_a_request_id_that_is_none(stranger: Stranger, rpc: Rpc, text: str) -> None:
    told = await stranger.send(rpc, changed(await stranger.sound.request(rpc.name), request_id=text))
    assert (told.reason, set(told.violations)) == ("INVALID_REQUEST", {"request_id"})


@having("etag")
async def test_a_stale_etag(stranger: Stranger, rpc: Rpc) -> None:
    told = await stranger.send(rpc, changed(await stranger.sound.request(rpc.name), etag='"1-0000000000000000"'))
    assert (told.code, told.reason) == ("ABORTED", "ETAG_MISMATCH")


@PAGED
async def test_a_page_token_of_somewhere_else(stranger: Stranger, rpc: Rpc) -> None:
    for text in await foreign_page_tokens(stranger, rpc):
        request = await stranger.sound.request(rpc.name)
        told = await stranger.send(rpc, changed(request, page_token=text))
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"), text


@PAGED
async def test_a_page_token_shown_by_somebody_else(stranger: Stranger, rpc: Rpc) -> None:
    request = await stranger.sound.request(rpc.name)
    body = changed(request, page_token=await page_token(stranger, rpc))
    assert await stranger.send(rpc, body) == OK
    told = await stranger.send(rpc, body, headers=stranger.holding("service"))
    assert told.reason == "PAGE_TOKEN_INVALID"


@PAGED
@pytest.mark.parametrize("size", [-1, -(2**31)])
async def test_a_negative_page_size(stranger: Stranger, rpc: Rpc, size: int) -> None:
    request = await stranger.sound.request(rpc.name)
    told = await stranger.send(rpc, changed(request, page_size=size))
    assert (told.reason, set(told.violations)) == ("INVALID_REQUEST", {"page_size"})


@pytest.mark.parametrize("rpc", {rpc.setting: rpc for rpc in every_rpc()}.values(), ids=str)
async def test_a_method_there_is_not(stranger: Stranger, rpc: Rpc) -> None:
    for path in (rpc.path + "s", "/no.such.Service/Call", rpc.path.upper()):
        told = await stranger.send(rpc, b"", path=path)
        assert (told.code, told.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")


@ONCE_EACH
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
async def test_any_bytes(stranger: Stranger, rpc: Rpc, changes: list[tuple[int, int, bytes]]) -> None:
    await stranger.spoil(rpc, partial(cut_up, changes=changes))


def with_value(sound: Message, *, way: Way, value: object) -> bytes:
    """Return the bytes of a request with one field set to `value`."""
    return spoiled(sound, way, value).SerializeToString()


def cut_up(sound: Message, *, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Return the bytes of a request with some gone and some put in."""
    body = sound.SerializeToString()
    for place, gone, put in changes:
        at = place % (len(body) + 1)
        body = body[:at] + put + body[at + gone :]
    return body


def is_judged(rpc: Rpc, way: Way) -> bool:
    """Say whether an enum is read: what only the server sets is not, nor JSON's null, nor what OTLP passes through."""
    return rpc.name not in OTLP and not any(is_open_ended(field) or is_output_only(field) for field in way)


def without_indexes(path: str) -> str:
    """Return `signals.kind` for `signals[0].kind`."""
    return ".".join(part.partition("[")[0] for part in path.split("."))


def on_or_beside(path: str, way: str) -> bool:
    """Say whether a violation is on the way to the spoiled field, below it, or at one that it has to agree with."""
    return f"{way}.".startswith(path.rpartition(".")[0]) or f"{path}.".startswith(f"{way}.")


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def changed(request: Message, **fields: object) -> bytes:
    """Return the bytes of a request with some fields set to something else."""
    copy = type(request).FromString(request.SerializeToString())
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy.SerializeToString()


async def page_token(stranger: Stranger, rpc: Rpc) -> str:
    """Return a token that is good for the sound request of a List method."""
    if rpc.name == "KillSwitchService/ListKillSwitches":
        for _ in range(2):
            engage = next(other for other in every_rpc() if other.name == "KillSwitchService/EngageKillSwitch")
            await stranger.send(engage, (await stranger.sound.request(engage.name)).SerializeToString())
    request = await stranger.sound.request(rpc.name)
    method: Any = stranger.mesh.kept_channel(rpc.service).unary_unary(rpc.path)
    answer: Any = rpc.response.FromString(await method(request.SerializeToString()))
    assert answer.next_page_token, rpc
    return str(answer.next_page_token)


async def foreign_page_tokens(stranger: Stranger, rpc: Rpc) -> list[str]:
    """Return tokens of the other List methods, a damaged one of this, and texts that are none."""
    own = await page_token(stranger, rpc)
    for other in every_rpc():
        if other.has("page_token") and other.name not in stranger.page_tokens:
            stranger.page_tokens[other.name] = await page_token(stranger, other)
    others = [token for name, token in stranger.page_tokens.items() if name != rpc.name]
    return [*others, own[:-1], own[::-1], own + "A", "x", "\0", "é", "A" * 5_000]
