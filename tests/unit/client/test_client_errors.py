from datetime import timedelta

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, DebugInfo, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from ringfence import errors
from ringfence.errors import Details, RingfenceError, Violation, error_of, from_rpc_error, read_details, typed_errors
from ringfence_kit.clock import Millis
from ringfence_kit.errors import COMMON_FAILURES, Failure, InvalidRequest, QuotaExceeded, WatcherTooSlow
from ringfence_kit.errors import Violation as KitViolation
from ringfence_kit.status import code_of, status_of


def trailers(*details: Message) -> list[tuple[str, str | bytes]]:
    status = Status(code=5)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return [("some-header", "text"), ("grpc-status-details-bin", status.SerializeToString())]


def received(failure: Failure) -> RingfenceError:
    """Return what a client makes of a failure as a service sends it."""
    status = status_of(failure)
    return error_of(code_of(failure), status.message, [("grpc-status-details-bin", status.SerializeToString())])


class TestKinds:
    @pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
    def test_every_status_code_but_unknown_has_a_class(self, code: grpc.StatusCode) -> None:
        error = error_of(code, "message", None)
        assert error.code is code
        assert (type(error) is RingfenceError) == (code is grpc.StatusCode.UNKNOWN)

    @pytest.mark.parametrize("failure", COMMON_FAILURES)
    def test_every_kind_the_kit_raises_is_told_apart(self, failure: type[Failure]) -> None:
        code = next(code for code in grpc.StatusCode if code.value[0] == failure.kind.value)
        assert type(error_of(code, "", None)) is not RingfenceError

    @pytest.mark.parametrize(
        ("reason", "code", "kind"),
        [
            ("REVISION_COMPACTED", grpc.StatusCode.OUT_OF_RANGE, errors.RevisionCompactedError),
            ("REVISION_IN_FUTURE", grpc.StatusCode.OUT_OF_RANGE, errors.RevisionInFutureError),
            ("WATCHER_TOO_SLOW", grpc.StatusCode.RESOURCE_EXHAUSTED, errors.WatcherTooSlowError),
        ],
    )
    def test_the_failures_of_a_watch_have_classes_of_their_own(
        self, reason: str, code: grpc.StatusCode, kind: type[RingfenceError]
    ) -> None:
        assert type(error_of(code, "", trailers(ErrorInfo(reason=reason, domain="ringfence.dev")))) is kind

    def test_a_reason_of_another_domain_is_not_taken_for_ours(self) -> None:
        info = ErrorInfo(reason="REVISION_COMPACTED", domain="googleapis.com")
        error = error_of(grpc.StatusCode.OUT_OF_RANGE, "", trailers(info))
        assert type(error) is errors.OutOfRangeError
        assert (error.reason, error.domain) == ("REVISION_COMPACTED", "googleapis.com")

    def test_a_reason_under_a_code_that_is_not_its_own_does_not_change_the_kind(self) -> None:
        info = ErrorInfo(reason="REVISION_COMPACTED", domain="ringfence.dev")
        assert type(error_of(grpc.StatusCode.NOT_FOUND, "", trailers(info))) is errors.NotFoundError


class TestRoundTrip:
    """What a service raises is what a client catches."""

    def test_reason_message_and_metadata(self) -> None:
        failure = QuotaExceeded(principal="p", method_class="write", retry_after=Millis(1_250))
        error = received(failure)
        assert (error.reason, error.domain) == ("QUOTA_EXCEEDED", "ringfence.dev")
        assert error.message == failure.message
        assert error.metadata == {"principal": "p", "method_class": "write"}
        assert error.retry_after == timedelta(milliseconds=1_250)
        assert str(error) == f"QUOTA_EXCEEDED: {failure.message}"

    def test_violations(self) -> None:
        error = received(InvalidRequest(KitViolation("a.b", "is empty"), KitViolation("c[1]", "is long")))
        assert isinstance(error, errors.InvalidArgumentError)
        assert error.violations == (Violation("a.b", "is empty"), Violation("c[1]", "is long"))

    def test_where_a_slow_watcher_resumes(self) -> None:
        error = received(WatcherTooSlow(resume_revision=41))
        assert isinstance(error, errors.WatcherTooSlowError)
        assert error.resume_revision == 41


class TestDetails:
    def test_no_trailers_say_nothing(self) -> None:
        assert read_details(None) == read_details([]) == read_details([("x", "y")]) == Details()

    @pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"not a status", "text"])
    def test_damaged_trailers_say_nothing(self, raw: str | bytes) -> None:
        assert read_details([("grpc-status-details-bin", raw)]) == Details()

    def test_a_damaged_detail_does_not_hide_the_others(self) -> None:
        status = Status()
        for kind in (ErrorInfo, BadRequest, RetryInfo):
            status.details.add(type_url=f"type.googleapis.com/{kind.DESCRIPTOR.full_name}", value=b"\xff")
        good = AnyMessage()
        good.Pack(ErrorInfo(reason="R", domain="d"))
        status.details.append(good)
        assert read_details([("grpc-status-details-bin", status.SerializeToString())]).reason == "R"

    def test_details_of_other_kinds_are_passed_over(self) -> None:
        details = read_details(trailers(DebugInfo(detail="stack"), ErrorInfo(reason="R")))
        assert details.reason == "R"

    def test_the_first_reason_counts_and_all_violations_do(self) -> None:
        bad = [BadRequest(field_violations=[BadRequest.FieldViolation(field=f, description="d")]) for f in "ab"]
        details = read_details(trailers(ErrorInfo(reason="ONE"), bad[0], ErrorInfo(reason="TWO"), bad[1]))
        assert details.reason == "ONE"
        assert [violation.field for violation in details.violations] == ["a", "b"]

    @pytest.mark.parametrize("delay", [Duration(seconds=-5), Duration(nanos=-1)])
    def test_a_negative_wait_is_no_wait(self, delay: Duration) -> None:
        assert read_details(trailers(RetryInfo(retry_delay=delay))).retry_after == timedelta()

    @pytest.mark.parametrize("delay", [Duration(seconds=2**62), Duration(seconds=-(2**62)), Duration(nanos=2**31 - 1)])
    def test_a_wait_that_is_no_duration_never_raises(self, delay: Duration) -> None:
        error = error_of(grpc.StatusCode.UNAVAILABLE, "", trailers(RetryInfo(retry_delay=delay)))
        assert isinstance(error, errors.UnavailableError)

    @pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "²"])
    def test_a_resume_revision_that_is_no_number_is_none(self, text: str) -> None:
        info = ErrorInfo(reason="WATCHER_TOO_SLOW", domain="ringfence.dev", metadata={"resume_revision": text})
        error = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "", trailers(info))
        assert isinstance(error, errors.WatcherTooSlowError)
        assert error.resume_revision is None


class TestFromRpcError:
    def test_an_asyncio_error(self) -> None:
        raw = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, details="gone")
        error = from_rpc_error(raw)
        assert type(error) is errors.NotFoundError
        assert error.message == "gone"
        assert str(error) == "NOT_FOUND: gone"

    def test_the_bare_base_class(self) -> None:
        assert type(from_rpc_error(grpc.RpcError("odd"))) is RingfenceError

    def test_a_block_of_plain_stub_calls(self) -> None:
        with pytest.raises(errors.AbortedError) as caught, typed_errors():
            raise grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, details="etag")
        assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)

    def test_other_exceptions_pass_through_the_block(self) -> None:
        with pytest.raises(KeyError), typed_errors():
            raise KeyError
