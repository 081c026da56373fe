"""Decisions used again: only for equal questions, only as long as the pdp says, and never after a kill."""

from collections.abc import Callable

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st
from ringfence.decision_cache import SILENCE, DecisionCache
from ringfence.pdp.v1 import decision_pb2 as pb

SHAPE = ("action.name", "environment", "subject.did", "resource.labels", "action.arguments")


def asked(**changed: str) -> pb.CheckRequest:
    request = pb.CheckRequest(
        subject=pb.Subject(did="did:web:a"), action=pb.Action(name="read"), environment="dev", session="s-1"
    )
    request.resource.labels.update({"a": "1", "b": "2"})
    request.action.arguments.update({"rows": 1})
    for name, value in changed.items():
        setattr(request, name, value)
    return request


def answer(epoch: int = 5, seconds: int = 5, vary_on: tuple[str, ...] = SHAPE) -> pb.CheckResponse:
    hint = pb.CacheHint(ttl=Duration(seconds=seconds), vary_on=vary_on)
    return pb.CheckResponse(effect=pb.EFFECT_ALLOW, epoch=epoch, cache=hint)


def filled(epoch: int = 5) -> DecisionCache:
    cache = DecisionCache()
    cache.heard(epoch, 0.0)
    cache.keep(asked(), answer(epoch), 0.0)
    return cache


def test_an_answer_is_used_for_what_is_equal_in_what_it_depends_on() -> None:
    cache = filled()
    assert cache.find(asked(), 1.0) == answer()
    assert cache.find(asked(session="s-2"), 1.0) == answer()


OTHERS: dict[str, Callable[[pb.CheckRequest], object]] = {
    "another action": lambda request: setattr(request.action, "name", "write"),
    "another environment": lambda request: setattr(request, "environment", "prod"),
    "another agent": lambda request: setattr(request.subject, "did", "did:web:b"),
    "another label": lambda request: request.resource.labels.update({"a": "2"}),
    "one label less": lambda request: request.resource.labels.pop("a"),
    "another argument": lambda request: request.action.arguments.update({"rows": 2}),
    "no arguments": lambda request: request.action.ClearField("arguments"),
    "on somebody's behalf": lambda request: request.chain.append("did:web:z"),
    "to somebody": lambda request: request.target.SetInParent(),
    "with a token": lambda request: setattr(request, "delegation_token", "a.b.c"),
    "with an elevation": lambda request: request.elevation_grants.append("a.b.c"),
    "with an approval": lambda request: setattr(request, "approval", "approvals/1"),
    "with usage": lambda request: setattr(request.usage, "tokens", 1),
}


@pytest.mark.parametrize("what", sorted(OTHERS))
def test_an_answer_is_not_used_for_another_question(what: str) -> None:
    cache, request = filled(), asked()
    OTHERS[what](request)
    assert cache.find(request, 1.0) is None


@pytest.mark.parametrize("what", ["on somebody's behalf", "to somebody", "with a token", "with an approval"])
def test_an_answer_to_a_question_with_more_to_it_is_not_kept(what: str) -> None:
    cache, request = filled(), asked(environment="prod")
    OTHERS[what](request)
    cache.keep(request, answer(), 0.0)
    assert len(cache) == 1


def test_an_answer_ends_with_its_time() -> None:
    assert filled().find(asked(), 4.9) is not None
    assert filled().find(asked(), 5.0) is None


def test_a_kill_voids_everything_before() -> None:
    cache = filled()
    cache.heard(6, 1.0)
    assert cache.find(asked(), 1.0) is None
    cache.keep(asked(), answer(epoch=5), 1.0)
    assert cache.find(asked(), 1.0) is None


def test_silence_voids_everything() -> None:
    cache = DecisionCache()
    cache.heard(5, 0.0)
    cache.keep(asked(), answer(seconds=60), 0.0)
    assert cache.find(asked(), SILENCE) is not None
    assert cache.find(asked(), SILENCE + 0.1) is None


def test_another_connection_begins_with_nothing() -> None:
    cache = filled()
    cache.forget()
    cache.heard(5, 1.0)
    assert cache.find(asked(), 1.0) is None


def test_an_answer_without_a_hint_is_used_once() -> None:
    cache = DecisionCache()
    cache.heard(5, 0.0)
    cache.keep(asked(), pb.CheckResponse(effect=pb.EFFECT_ALLOW, epoch=5), 0.0)
    assert cache.find(asked(), 0.0) is None


def test_what_is_kept_is_bounded() -> None:
    cache = DecisionCache(kept=3)
    cache.heard(5, 0.0)
    for number in range(10):
        cache.keep(asked(environment=f"e{number}"), answer(), 0.0)
    assert len(cache) == 3
    assert cache.find(asked(environment="e9"), 0.0) is not None


@given(st.lists(st.tuples(st.sampled_from(["keep", "heard"]), st.integers(1, 9)), max_size=12), st.integers(1, 9))
def test_nothing_older_than_the_latest_epoch_is_ever_used(steps: list[tuple[str, int]], last: int) -> None:
    cache = DecisionCache()
    for step, epoch in steps:
        if step == "heard":
            cache.heard(epoch, 0.0)
        else:
            cache.keep(asked(), answer(epoch), 0.0)
    cache.heard(last, 0.0)
    latest = max([last, *(epoch for step, epoch in steps if step == "heard")])
    found = cache.find(asked(), 0.0)
    assert found is None or found.epoch >= latest
