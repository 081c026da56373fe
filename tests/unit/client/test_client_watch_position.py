import grpc
import pytest
from ringfence.errors import (
    Details,
    OutOfRangeError,
    PermissionDeniedError,
    RevisionCompactedError,
    RevisionInFutureError,
    RingfenceError,
    UnauthenticatedError,
    WatcherTooSlowError,
    error_of,
)
from ringfence.identity.v1 import identity_pb2 as identity
from ringfence.registry.v1 import registry_pb2 as registry
from ringfence.watch_position import (
    Bookmark,
    Change,
    Changed,
    StateComplete,
    UnknownEventError,
    WatchPosition,
)

ADDED, MODIFIED, DELETED, BOOKMARK = 1, 2, 3, 4


def answer(kind: int, revision: int, *, end: bool = False) -> registry.WatchAgentsResponse:
    return registry.WatchAgentsResponse(
        type=registry.WatchEventType.ValueType(kind), revision=revision, initial_state_end=end
    )


def too_slow(resume_revision: int) -> WatcherTooSlowError:
    return WatcherTooSlowError("slow", details=Details(metadata={"resume_revision": str(resume_revision)}))


@pytest.mark.parametrize("service", [registry, identity])
def test_the_numbers_of_every_service_are_those_used_here(service: object) -> None:
    for change in Change:
        assert getattr(service, f"WATCH_EVENT_TYPE_{change.name}") == change
    assert getattr(service, "WATCH_EVENT_TYPE_BOOKMARK") == BOOKMARK  # noqa: B009 - beside its siblings


class TestChanges:
    def test_moves_the_position_past_the_change(self) -> None:
        position = WatchPosition(start_revision=5)
        change = answer(MODIFIED, 7)
        assert position.take(change) == Changed(7, Change.MODIFIED, change)
        assert position.start_revision == 8

    def test_drops_what_comes_again(self) -> None:
        position = WatchPosition(start_revision=5)
        assert position.take(answer(MODIFIED, 4)) is None
        assert position.take(answer(MODIFIED, 5)) is not None
        assert position.take(answer(MODIFIED, 5)) is None
        assert position.start_revision == 6

    def test_from_now_on_takes_the_first_change_whatever_its_revision(self) -> None:
        position = WatchPosition()
        assert position.take(answer(DELETED, 99)) is not None
        assert position.start_revision == 100

    @pytest.mark.parametrize("kind", [0, 5, 99])
    def test_an_event_of_an_unknown_type_is_not_skipped(self, kind: int) -> None:
        with pytest.raises(UnknownEventError, match=f"unknown type {kind}"):
            WatchPosition().take(answer(kind, 1))

    def test_an_unknown_event_is_not_mended_by_a_new_stream(self) -> None:
        with pytest.raises(UnknownEventError):
            WatchPosition().broke(UnknownEventError("unknown"))


class TestBookmarks:
    def test_moves_the_position(self) -> None:
        position = WatchPosition(start_revision=5)
        assert position.take(answer(BOOKMARK, 30)) == Bookmark(30)
        assert position.start_revision == 31

    def test_a_late_one_is_a_heartbeat_and_moves_nothing(self) -> None:
        position = WatchPosition(start_revision=31)
        assert position.take(answer(BOOKMARK, 12)) == Bookmark(30)
        assert position.start_revision == 31


class TestInitialState:
    def test_counts_only_when_complete(self) -> None:
        position = WatchPosition(with_state=True)
        assert position.take(answer(ADDED, 9)) == Changed(9, Change.ADDED, answer(ADDED, 9))
        assert position.take(answer(ADDED, 9)) is not None, "all of the state has one revision"
        assert position.take(answer(BOOKMARK, 9)) == Bookmark(9)
        assert (position.state_due, position.start_revision) == (True, 0)
        assert position.take(answer(BOOKMARK, 9, end=True)) == StateComplete(9)
        assert (position.state_due, position.start_revision) == (False, 10)

    def test_an_empty_store_has_a_state_too(self) -> None:
        position = WatchPosition(with_state=True)
        assert position.take(answer(BOOKMARK, 0, end=True)) == StateComplete(0)
        assert (position.state_due, position.start_revision) == (False, 1)

    def test_a_break_before_its_end_begins_it_anew(self) -> None:
        position = WatchPosition(with_state=True)
        position.take(answer(ADDED, 9))
        position.broke(too_slow(9))
        assert (position.state_due, position.start_revision) == (True, 0)

    @pytest.mark.parametrize("lost", [RevisionCompactedError("lost"), RevisionInFutureError("replaced")])
    def test_lost_history_begins_it_anew(self, lost: RingfenceError) -> None:
        position = WatchPosition(with_state=True)
        position.take(answer(BOOKMARK, 9, end=True))
        position.broke(lost)
        assert (position.state_due, position.start_revision) == (True, 0)

    @pytest.mark.parametrize("start", [-1, 1])
    def test_a_start_that_contradicts_it_is_refused(self, start: int) -> None:
        with pytest.raises(ValueError, match="start_revision is positive"):
            WatchPosition(start_revision=start, with_state=True)


class TestBreaks:
    @pytest.mark.parametrize(
        "code",
        [
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.INTERNAL,
            grpc.StatusCode.UNKNOWN,
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.ABORTED,
        ],
    )
    def test_what_a_new_stream_mends(self, code: grpc.StatusCode) -> None:
        position = WatchPosition(start_revision=5)
        position.broke(error_of(code, "", None))
        assert position.start_revision == 5

    @pytest.mark.parametrize(
        "code",
        [
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.UNIMPLEMENTED,
            grpc.StatusCode.FAILED_PRECONDITION,
            grpc.StatusCode.OUT_OF_RANGE,
            grpc.StatusCode.DATA_LOSS,
        ],
    )
    def test_what_it_does_not(self, code: grpc.StatusCode) -> None:
        error = error_of(code, "", None)
        with pytest.raises(type(error)):
            WatchPosition(start_revision=5).broke(error)

    def test_an_expired_token_is_forgiven_once_something_was_heard(self) -> None:
        position, expired = WatchPosition(start_revision=5), UnauthenticatedError("expired")
        position.take(answer(BOOKMARK, 9))
        position.broke(expired)
        position.opened()
        with pytest.raises(UnauthenticatedError):
            position.broke(expired)

    @pytest.mark.parametrize("lost", [RevisionCompactedError("lost"), RevisionInFutureError("replaced")])
    def test_lost_history_is_the_readers_to_mend(self, lost: OutOfRangeError) -> None:
        position = WatchPosition(start_revision=5)
        with pytest.raises(type(lost)):
            position.broke(lost)
        position.relisted(70)
        assert position.start_revision == 71

    def test_a_slow_watch_goes_on_from_what_it_has_itself(self) -> None:
        position = WatchPosition(start_revision=5)
        position.broke(too_slow(40))
        assert position.start_revision == 5

    def test_a_slow_watch_that_has_nothing_goes_on_from_what_the_server_says(self) -> None:
        position = WatchPosition()
        position.broke(too_slow(40))
        assert position.start_revision == 40

    def test_a_stream_that_just_ends_goes_on(self) -> None:
        WatchPosition(start_revision=5).broke(None)

    def test_a_denial_is_not_hidden_by_what_was_heard_before(self) -> None:
        position = WatchPosition(start_revision=5)
        position.take(answer(BOOKMARK, 9))
        with pytest.raises(PermissionDeniedError):
            position.broke(PermissionDeniedError("no"))
