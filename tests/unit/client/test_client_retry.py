from datetime import timedelta

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.errors import Details, RingfenceError, error_of
from ringfence.registry.v1.registry_pb2 import Agent, GetAgentRequest, RegisterAgentRequest
from ringfence.retry import Attempts, RetryBudget, RetryPolicy, made_repeatable, may_repeat

UNAVAILABLE = error_of(grpc.StatusCode.UNAVAILABLE, "away", None)
QUOTA = type(error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "", None))(
    "slow down", details=Details(retry_after=timedelta(seconds=1))
)
TOO_LARGE = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "too large", None)


def attempts(policy: RetryPolicy, *, deadline: float | None = None, repeatable: bool = True) -> Attempts:
    return Attempts(policy=policy, budget=RetryBudget(policy), deadline=deadline, repeatable=repeatable)


class TestMayRepeat:
    def test_unavailable_only_when_repeating_is_harmless(self) -> None:
        assert may_repeat(UNAVAILABLE, repeatable=True)
        assert not may_repeat(UNAVAILABLE, repeatable=False)

    def test_a_refusal_with_a_wait_always(self) -> None:
        assert may_repeat(QUOTA, repeatable=False)

    def test_a_size_limit_never(self) -> None:
        assert not may_repeat(TOO_LARGE, repeatable=True)

    @pytest.mark.parametrize(
        "code",
        [
            code
            for code in grpc.StatusCode
            if code not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
        ],
    )
    def test_nothing_else_even_when_asked_to_wait(self, code: grpc.StatusCode) -> None:
        error = error_of(code, "", None)
        error.retry_after = timedelta(seconds=1)
        assert not may_repeat(error, repeatable=True)


class TestAttempts:
    def test_there_are_as_many_as_the_policy_says(self) -> None:
        tries = attempts(RetryPolicy(attempts=3))
        waits = [tries.wait_after(UNAVAILABLE, now=0) for _ in range(3)]
        assert [wait is not None for wait in waits] == [True, True, False]

    def test_one_attempt_never_retries(self) -> None:
        assert attempts(RetryPolicy(attempts=1)).wait_after(UNAVAILABLE, now=0) is None

    def test_the_servers_wait_is_kept(self) -> None:
        assert attempts(RetryPolicy()).wait_after(QUOTA, now=0) == 1.0

    def test_a_longer_wait_than_we_have_is_the_callers_to_decide(self) -> None:
        assert attempts(RetryPolicy(longest_wait=0.5)).wait_after(QUOTA, now=0) is None

    def test_no_wait_goes_past_the_deadline(self) -> None:
        assert attempts(RetryPolicy(), deadline=0.9).wait_after(QUOTA, now=0) is None
        assert attempts(RetryPolicy(), deadline=1.1).wait_after(QUOTA, now=0) == 1.0

    def test_the_time_left_shrinks_to_nothing(self) -> None:
        tries = attempts(RetryPolicy(), deadline=10)
        assert [tries.time_left(now) for now in (0, 4, 12)] == [10, 6, 0]
        assert attempts(RetryPolicy()).time_left(5) is None

    @given(
        st.lists(st.sampled_from([UNAVAILABLE, QUOTA, TOO_LARGE]), max_size=20),
        st.floats(0, 10),
        st.integers(1, 6),
    )
    def test_whatever_fails_attempts_and_waits_are_bounded(
        self, failures: list[RingfenceError], deadline: float, most: int
    ) -> None:
        tries = attempts(RetryPolicy(attempts=most), deadline=deadline)
        now, made = 0.0, 1
        for failure in failures:
            wait = tries.wait_after(failure, now)
            if wait is None:
                break
            made += 1
            now += wait
            assert 0 < wait <= 5.0
        assert made <= most
        assert now < deadline or made == 1


class TestBudget:
    def test_runs_out_when_everything_fails(self) -> None:
        budget = RetryBudget(RetryPolicy(budget=10))
        assert [budget.failed() for _ in range(6)] == [True, True, True, True, False, False]

    def test_is_earned_back_by_success(self) -> None:
        budget = RetryBudget(RetryPolicy(budget=10, earned_by_success=1))
        while budget.failed():
            pass
        budget.succeeded()
        assert not budget.failed()
        for _ in range(5):
            budget.succeeded()
        assert budget.failed()

    def test_is_shared_by_the_calls_of_a_channel(self) -> None:
        policy = RetryPolicy(budget=2)
        budget = RetryBudget(policy)
        calls = [Attempts(policy=policy, budget=budget, deadline=None, repeatable=True) for _ in range(2)]
        assert [call.wait_after(UNAVAILABLE, now=0) for call in calls] == [None, None]

    def test_what_would_not_be_repeated_costs_nothing(self) -> None:
        policy = RetryPolicy(budget=10)
        budget = RetryBudget(policy)
        for _ in range(20):
            Attempts(policy=policy, budget=budget, deadline=None, repeatable=False).wait_after(UNAVAILABLE, now=0)
        assert budget.failed()


class TestMadeRepeatable:
    def test_an_empty_request_id_is_filled_in_a_copy(self) -> None:
        request = RegisterAgentRequest(parent="namespaces/a", agent=Agent(purpose="p"))
        sent, repeatable = made_repeatable(request, new_id=lambda: "the-id")
        assert (sent.request_id, repeatable) == ("the-id", True)
        assert request.request_id == ""
        sent.request_id = ""
        assert sent == request

    def test_each_call_gets_a_uuid_of_its_own(self) -> None:
        ids = {made_repeatable(RegisterAgentRequest())[0].request_id for _ in range(3)}
        assert len(ids) == 3
        assert all(len(request_id) == 36 for request_id in ids)

    def test_a_callers_own_request_id_is_kept(self) -> None:
        request = RegisterAgentRequest(request_id="mine")
        assert made_repeatable(request) == (request, True)
        assert made_repeatable(request)[0] is request

    def test_a_read_is_repeatable_as_it_is(self) -> None:
        request = GetAgentRequest(name="n")
        assert made_repeatable(request)[0] is request
        assert made_repeatable(request)[1]

    def test_what_is_no_message_is_not_repeatable(self) -> None:
        assert made_repeatable(b"raw") == (b"raw", False)
