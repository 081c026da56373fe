"""Any failure becomes a status that says the same, fits into the trailers, and can be read back."""

import inspect
from typing import Any
from urllib.parse import quote

from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Millis
from ringfence_kit.errors import COMMON_FAILURES, Failure, InvalidRequest, Violation
from ringfence_kit.status import DOMAIN, code_of, status_of

texts = st.text(max_size=4_000)
short_texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)


def arguments(kind: type[Failure], text: st.SearchStrategy[str]) -> st.SearchStrategy[Failure]:
    if kind is InvalidRequest:
        violations = st.lists(st.builds(Violation, field=text, problem=text), min_size=1, max_size=60)
        return violations.map(lambda found: InvalidRequest(*found))
    parameters = inspect.signature(kind).parameters
    by_type: dict[Any, st.SearchStrategy[Any]] = {
        str: text,
        int: st.integers(0, 2**63),
        Millis: st.integers(0, 10**9).map(Millis),
        Millis | None: st.none() | st.integers(0, 10**9).map(Millis),
    }
    return st.builds(kind, **{name: by_type[parameter.annotation] for name, parameter in parameters.items()})


def failures(text: st.SearchStrategy[str]) -> st.SearchStrategy[Failure]:
    return st.sampled_from(COMMON_FAILURES).flatmap(lambda kind: arguments(kind, text))


@given(failures(short_texts))
def test_a_failure_can_be_read_back_from_its_status(failure: Failure) -> None:
    status = status_of(failure)
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    details = {detail.type_url.rsplit(".", 1)[-1]: detail for detail in status.details}
    assert details["ErrorInfo"].Unpack(info)
    assert (status.code, info.reason, info.domain) == (code_of(failure).value[0], failure.reason, DOMAIN)
    assert dict(info.metadata) == failure.metadata
    assert ("BadRequest" in details) == bool(failure.violations)
    if failure.violations:
        assert details["BadRequest"].Unpack(bad)
        read = [Violation(v.field, v.description) for v in bad.field_violations]
        assert read == list(failure.violations) or read[-1].problem.endswith("more violations are not listed")
    if failure.retry_after is not None:
        assert details["RetryInfo"].Unpack(retry)
        assert retry.retry_delay.ToMilliseconds() == failure.retry_after


@given(failures(texts))
def test_the_trailers_are_never_too_large_for_a_client(failure: Failure) -> None:
    status = status_of(failure)
    on_the_wire = len(quote(status.message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")) + len(
        status.SerializeToString()
    )
    # gRPC's default soft limit, with room left for its own trailers and ours.
    assert on_the_wire < 8_192 - 512
    assert MessageToDict(status)["details"]
