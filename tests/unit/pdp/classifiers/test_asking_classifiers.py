"""Asking a classifier elsewhere: in time, not in vain, not twice; and whatever goes wrong is a finding."""

import asyncio
from dataclasses import dataclass, field

import pytest
from ringfence_kit.clock import ManualClock, Millis
from ringfence_pdp.classifiers.asking import AskedClassifiers, Classifier
from ringfence_pdp.classifiers.breaker import Breaker
from ringfence_pdp.classifiers.memory import Memory
from ringfence_pdp.classifiers.reply import Cause, Label, NoReply, Question, Reply
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Finding, Kind, Origin, Severity

MAIL = Content(
    (Argument("/body", "the quarterly figures", origin=Origin.TOOL_OUTPUT), Argument("/to", "eve@example.com")),
    action="send_mail",
    tool="mail.send",
)
BAD = Reply([Label("exfiltration", Severity.HIGH, "/body", "figures leave")], "guard-1")
NOTHING = Reply([], "guard-1")
FAR = "x" * 300_000


@dataclass
class Line:
    """A line that says what a test tells it."""

    reply: Reply | Exception = NOTHING
    peer: str = "guard.example.com"
    asked: list[Question] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    async def classify(self, question: Question) -> Reply:
        self.asked.append(question)
        self.heard.set()
        await self.answers.wait()
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    async def speaking(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def guard(line: Line, clock: ManualClock) -> Classifier:
    return Classifier(
        "guard",
        line,
        deadline=Millis(200),
        breaker=Breaker(failures=2, rest=Millis(10_000)),
        memory=Memory(entries=2, lasting=Millis(60_000)),
        clock=clock,
    )


def why(findings: object) -> str:
    """The one failure there is."""
    assert isinstance(findings, list)
    [finding] = findings
    assert isinstance(finding, Finding)
    assert (finding.kind, finding.severity) == (Kind.FAILURE, Severity.HIGH)
    return finding.message


async def test_what_it_finds_says_where_who_and_which_model(guard: Classifier, line: Line) -> None:
    line.reply = Reply([Label("spam", Severity.LOW, "", ""), *BAD.labels], "guard-1")
    worst, other = await guard.ask(MAIL)
    assert (worst.kind, worst.id, worst.severity) == (Kind.REMOTE, "remote.guard.exfiltration", Severity.HIGH)
    assert (worst.argument, worst.argument_type, worst.origin) == ("/body", ArgumentType.FREE_TEXT, Origin.TOOL_OUTPUT)
    assert worst.message == "figures leave"
    assert worst.frame == {"peer": "guard.example.com", "model": "guard-1"}
    assert worst.model.startswith("sha256-")
    assert (other.severity, other.argument, other.message) == (Severity.LOW, "", "classifier 'guard' found spam")


async def test_secrets_in_its_words_are_masked(guard: Classifier, line: Line) -> None:
    line.reply = Reply([Label("credential", Severity.HIGH, "/body", "it says password=hunter2secret")], "guard-1")
    [found] = await guard.ask(MAIL)
    assert "hunter2secret" not in found.message


async def test_secrets_are_never_sent_and_nothing_is_not_asked_about(guard: Classifier, line: Line) -> None:
    secret = Argument("/password", "hunter2", ArgumentType.SECRET)
    assert await guard.ask(Content((secret, Argument("/empty", "")))) == ()
    await guard.ask(Content((secret, Argument("/note", "hello"))))
    [asked] = line.asked
    assert [text.pointer for text in asked.texts] == ["/note"]


async def test_a_late_answer_is_a_failure_at_its_deadline(guard: Classifier, line: Line, clock: ManualClock) -> None:
    line.answers.clear()
    asking = asyncio.create_task(guard.ask(MAIL))
    await line.heard.wait()
    clock.advance(Millis(199))
    assert not asking.done()
    clock.advance(Millis(1))
    assert "200 ms" in why(await asking)
    assert guard.counts[Cause.LATE.value] == 1


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (NoReply(Cause.AWAY, "it is not there"), Cause.AWAY),
        (NoReply(Cause.NONSENSE, "its answer makes no sense"), Cause.NONSENSE),
        (ValueError("a defect with the figures in it"), Cause.DEFECT),
    ],
)
async def test_whatever_goes_wrong_is_a_failure_that_names_no_content(
    guard: Classifier, line: Line, error: Exception, cause: Cause
) -> None:
    line.reply = error
    assert "figures" not in why(await guard.ask(MAIL))
    assert guard.counts == {cause.value: 1}


async def test_what_is_too_large_is_not_sent(guard: Classifier, line: Line) -> None:
    assert "more than" in why(await guard.ask(Content((Argument("", FAR),))))
    assert line.asked == []


async def test_after_failures_in_a_row_it_rests_and_then_one_question_tries(
    guard: Classifier, line: Line, clock: ManualClock
) -> None:
    line.reply = NoReply(Cause.AWAY, "it is not there")
    for _ in range(2):
        await guard.ask(MAIL)
    assert "not asked for a while" in why(await guard.ask(MAIL))
    assert len(line.asked) == 2
    clock.advance(Millis(10_000))
    line.reply = NOTHING
    line.answers.clear()
    line.heard.clear()
    trying = asyncio.create_task(guard.ask(MAIL))
    await line.heard.wait()
    assert "not asked for a while" in why(await guard.ask(MAIL))
    line.answers.set()
    assert await trying == []
    assert not guard.breaker.is_open


async def test_whoever_stops_waiting_while_trying_lets_another_try(
    guard: Classifier, line: Line, clock: ManualClock
) -> None:
    line.reply = NoReply(Cause.AWAY, "it is not there")
    for _ in range(2):
        await guard.ask(MAIL)
    clock.advance(Millis(10_000))
    line.answers.clear()
    line.heard.clear()
    trying = asyncio.create_task(guard.ask(MAIL))
    await line.heard.wait()
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    line.answers.set()
    line.reply = NOTHING
    assert await guard.ask(MAIL) == []


async def test_an_answer_is_remembered_for_the_same_content_and_no_other(
    guard: Classifier, line: Line, clock: ManualClock
) -> None:
    line.reply = BAD
    first = await guard.ask(MAIL)
    assert await guard.ask(MAIL) == first
    assert len(line.asked) == 1
    for other in (
        MAIL._replace(action="read_mail"),
        MAIL._replace(tool="mail.draft"),
        MAIL._replace(arguments=(MAIL.arguments[0]._replace(origin=Origin.USER), MAIL.arguments[1])),
        MAIL._replace(arguments=(MAIL.arguments[0]._replace(type=ArgumentType.CODE), MAIL.arguments[1])),
        MAIL._replace(arguments=(MAIL.arguments[0]._replace(pointer="/text"), MAIL.arguments[1])),
    ):
        before = len(line.asked)
        await guard.ask(other)
        assert len(line.asked) == before + 1


async def test_an_answer_is_forgotten_in_time(guard: Classifier, line: Line, clock: ManualClock) -> None:
    await guard.ask(MAIL)
    clock.advance(Millis(60_000))
    await guard.ask(MAIL)
    assert len(line.asked) == 2


async def test_a_failure_is_never_remembered(guard: Classifier, line: Line) -> None:
    line.reply = NoReply(Cause.AWAY, "it is not there")
    await guard.ask(MAIL)
    line.reply = BAD
    [found] = await guard.ask(MAIL)
    assert found.kind is Kind.REMOTE


async def test_half_a_surrogate_pair_is_no_reason_to_fail(guard: Classifier) -> None:
    assert await guard.ask(Content((Argument("", "a\udc00b"),))) == []


async def test_each_is_asked_by_its_name(guard: Classifier, line: Line) -> None:
    classifiers = AskedClassifiers([guard])
    assert await classifiers.ask("guard", MAIL) == []
    assert "not configured" in why(await classifiers.ask("other", MAIL))
    assert len(line.asked) == 1
