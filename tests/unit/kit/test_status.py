"""A failure arrives with its reason and details, and always small enough to arrive at all."""

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from ringfence_kit.clock import Millis
from ringfence_kit.errors import (
    COMMON_FAILURES,
    EtagMismatch,
    InvalidRequest,
    Kind,
    Unauthenticated,
    Violation,
    WatcherTooSlow,
)
from ringfence_kit.status import code_of, status_of, trailers_of


def test_every_kind_is_the_status_code_of_its_number() -> None:
    assert {kind.value for kind in Kind} <= {code.value[0] for code in grpc.StatusCode}
    assert code_of(EtagMismatch(name="a", expected='"1"', current='"2"')) is grpc.StatusCode.ABORTED


def test_reasons_are_distinct() -> None:
    reasons = [failure.reason for failure in COMMON_FAILURES]
    assert len(set(reasons)) == len(reasons)


def test_error_info_holds_reason_domain_and_metadata() -> None:
    status = status_of(EtagMismatch(name="a", expected='"1"', current='"2"'))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "ETAG_MISMATCH"
    assert info.domain == "ringfence.dev"
    assert dict(info.metadata) == {"name": "a", "expected_etag": '"1"', "current_etag": '"2"'}
    assert len(status.details) == 1


def test_bad_request_holds_every_violation() -> None:
    status = status_of(InvalidRequest(Violation("a.b", "must be set"), Violation("c[1]", "is too long")))
    bad = BadRequest()
    assert status.details[1].Unpack(bad)
    assert [(v.field, v.description) for v in bad.field_violations] == [("a.b", "must be set"), ("c[1]", "is too long")]


def test_the_wait_is_said_once_more_where_the_opentelemetry_sdk_looks() -> None:
    _, (key, value) = trailers_of(WatcherTooSlow(resume_revision=7, retry_after=Millis(1_250)))
    assert key == "google.rpc.retryinfo-bin"
    assert isinstance(value, bytes)
    assert RetryInfo.FromString(value).retry_delay.ToMilliseconds() == 1_250
    without = trailers_of(EtagMismatch(name="a", expected='"1"', current='"2"'))
    assert [key for key, _ in without] == ["grpc-status-details-bin"]


def test_retry_info_holds_the_wait() -> None:
    status = status_of(WatcherTooSlow(resume_revision=7, retry_after=Millis(1_250)))
    retry = RetryInfo()
    assert status.details[-1].Unpack(retry)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (1, 250_000_000)


def test_what_is_cut_is_cut_visibly() -> None:
    status = status_of(InvalidRequest(*(Violation(f"items[{n}]", "must not be empty") for n in range(500))))
    bad = BadRequest()
    assert status.details[1].Unpack(bad)
    listed = len(bad.field_violations) - 1
    assert listed > 50
    assert bad.field_violations[-1].description == f"{500 - listed} more violations are not listed"
    assert status.message.endswith("...")


def test_a_character_is_not_split() -> None:
    status = status_of(Unauthenticated(problem="é" * 5_000))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.metadata["problem"] == "é" * 126 + "..."


def test_a_lone_surrogate_does_not_break_the_answer() -> None:
    status = status_of(Unauthenticated(problem="\udcff"))
    assert status.message == "the caller could not be authenticated: ?"
