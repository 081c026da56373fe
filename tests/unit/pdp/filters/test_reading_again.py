"""What the filter of intent is in doubt about is read again: asked only then, raising only, logged, and replayed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.filters.encoder.doubt import ENCODER, Doubt, failed
from ringfence_pdp.filters.finding import Content, Finding, Kind, Severity
from ringfence_pdp.filters.heard import Heard
from ringfence_pdp.filters.views import View
from ringfence_pdp.masks import Masks
from ringfence_pdp.model import CheckRequest, Effect
from ringfence_pdp.reckoning import Unsettled
from ringfence_pdp.replay import Evidence, Outcome, read, replay
from ringfence_pdp.rollout.rollout import Mode, Rollout
from ringfence_pdp.snapshots.elsewhere import DecidedElsewhere, refuse_unsettled
from support.pdp.desk import ADMIN, Desk
from support.pdp.filtering import DANGEROUS, INTENT, NOTABLE, Finds, filtering, filters
from support.pdp.replays import logged_in
from support.pdp.world import ALLOW_ALL, ask, basis, bundle, facts_of, identity, registered

READS = "{name: intent, use: intent}"
REMOTE = "{name: elsewhere, use: remote, classifier: guard}"
READ = INTENT._replace(argument="/q", views=("encoder",))


class Doubts(Finds):
    """A filter of intent that is in doubt about every text with a word in it."""

    def __init__(self, *findings: Finding, doubted: str = "odd", word: str = "bad") -> None:
        super().__init__(*findings, word=word)
        self._doubted = doubted

    def doubts(self, content: Content) -> Sequence[Doubt]:
        return tuple(Doubt(one, View(one.text), 0.05) for one in content.arguments if self._doubted in one.text)


def reading(*written: str, intent: Finds | None = None) -> CompiledBundle:
    return filtering(filters(*(written or (READS,))), intent=intent or Doubts())


def desk(*said: Finding, compiled: CompiledBundle | None = None, reads_again: bool = True) -> Desk:
    made = Desk(reads_again=reads_again)
    made.let(compiled or reading())
    made.elsewhere.says[ENCODER] = said
    return made


def of(text: str) -> CheckRequest:
    return ask(arguments={"q": text})


def logged(made: Desk) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(made.tray.items[-1][1])
    return document


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((), "ALLOW ALLOWED"),
        ((READ._replace(severity=Severity.LOW, p_value=0.02),), "ALLOW ALLOWED"),
        ((READ,), "DENY APPROVALS_UNAVAILABLE"),
        ((READ._replace(severity=Severity.HIGH, p_value=0.0005),), "DENY CONTENT_DANGEROUS"),
        ((failed("it is late"),), "DENY FILTER_FAILED"),
        ((failed("it is not installed", Severity.MEDIUM),), "DENY APPROVALS_UNAVAILABLE"),
    ],
)
async def test_what_it_finds_raises_the_answer(said: tuple[Finding, ...], expected: str) -> None:
    made = desk(*said)
    decision = (await made.ask(of("something odd"))).decision
    assert f"{decision.effect.name} {decision.reason.name}" == expected
    assert [(name, content.arguments[0].text) for name, content in made.elsewhere.asked] == [(ENCODER, "something odd")]


async def test_on_error_holds_for_what_failed() -> None:
    made = desk(failed("it is late"), compiled=reading("{name: intent, use: intent, on_error: FLAG}"))
    assert (await made.ask(of("odd"))).decision.effect is Effect.ALLOW


@pytest.mark.parametrize("text", ["plain", "bad and odd"])
async def test_nobody_is_asked_where_nothing_is_in_doubt_or_it_is_denied_anyway(text: str) -> None:
    made = desk(READ, compiled=reading(intent=Doubts(DANGEROUS._replace(kind=Kind.INTENT))))
    answer = made.check(of(text))
    assert (answer.decision.effect is Effect.DENY) == text.startswith("bad")
    assert made.elsewhere.asked == []
    assert "classifiers" not in logged(made)["input"]
    assert "classifiers_spared" not in logged(made)["input"]


async def test_nobody_is_asked_for_a_policy_that_does_not_read_intent() -> None:
    made = desk(READ, compiled=reading("{name: content, use: patterns}"))
    assert made.check(of("odd")).decision.effect is Effect.ALLOW


async def test_nobody_is_asked_without_a_second_reader() -> None:
    assert desk(READ, reads_again=False).check(of("odd")).decision.effect is Effect.ALLOW


async def test_it_only_looks_where_the_filter_of_intent_does() -> None:
    made = desk(READ, compiled=reading("{name: intent, use: intent, match: {actions: [send]}}"))
    assert made.check(of("odd")).decision.effect is Effect.ALLOW


async def test_what_the_first_reader_found_stays_found() -> None:
    found = NOTABLE._replace(kind=Kind.INTENT, p_value=0.02)
    made = desk(compiled=reading(intent=Doubts(found, word="odd")))
    assert [one.id for one in (await made.ask(of("odd"))).decision.findings] == [found.id]


async def test_classifiers_elsewhere_are_heard_with_it() -> None:
    made = desk(READ, compiled=reading(READS, REMOTE))
    made.elsewhere.says["guard"] = [DANGEROUS._replace(kind=Kind.REMOTE)]
    answer = await made.ask(of("odd"))
    assert sorted(name for name, _ in made.elsewhere.asked) == ["guard", ENCODER]
    assert {one.kind for one in answer.decision.findings} == {Kind.REMOTE, Kind.INTENT}


async def test_until_it_is_asked_the_answer_is_closed_and_others_leave_it_to_the_pdp() -> None:
    unsettled = desk().decisions.sitting().check(of("odd"), ADMIN, b"asked")
    assert isinstance(unsettled, Unsettled)
    assert unsettled.answer.decision.effect is Effect.DENY
    with pytest.raises(DecidedElsewhere, match=ENCODER):
        refuse_unsettled(unsettled)


async def test_explain_says_what_check_says() -> None:
    made = desk(READ._replace(severity=Severity.HIGH, p_value=0.0005))
    answer, _ = await made.decisions.sitting().explained(of("odd"), ADMIN)
    assert answer.decision == (await made.ask(of("odd"))).decision


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.CANARY])
async def test_while_something_is_tried_whoever_decides_asks_it(mode: Mode) -> None:
    made = desk(READ._replace(severity=Severity.HIGH, p_value=0.0005))
    rollout = Rollout(active="a", candidate="c", mode=mode, percent=100, revision=1)
    decides, tried = (reading(), filtering()) if mode is Mode.SHADOW else (filtering(), reading())
    made.policy.current = replace(made.policy.current, compiled=decides, candidate=tried, rollout=rollout)
    answer = await made.ask(of("odd"))
    assert (answer.decision.effect, answer.would and answer.would.effect) == (Effect.DENY, Effect.ALLOW)
    assert made.elsewhere.asked != []


def test_a_decision_with_what_it_said_is_replayed_to_the_same_bytes() -> None:
    files = [
        PolicyFile(path="a.yaml", content=ALLOW_ALL.encode()),
        PolicyFile(path="b.yaml", content=filters(READS).encode()),
    ]
    request = of("the minutes")._replace(heard=Heard({ENCODER: (READ,)}))
    on = basis(bundle(ALLOW_ALL, filters(READS)), facts=facts_of(identity(), registered()))
    *entries, body = logged_in(files, [request], on=on, masks=Masks.of(()))
    evidence = Evidence()
    for entry in entries:
        evidence.take(read(entry) or {})
    assert json.loads(body)["findings"][0]["views"] == ["encoder"]
    assert replay(body, evidence).outcome is Outcome.SAME
