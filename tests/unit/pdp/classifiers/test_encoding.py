"""The encoder is asked in a thread, in time, or somebody else decides; what goes wrong is a finding, and closed."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest
from ringfence_kit.clock import ManualClock, Millis
from ringfence_pdp.classifiers.config import Use
from ringfence_pdp.classifiers.encoding import WAITING_MAX, Encoding, Reader, WithEncoder, is_asked
from ringfence_pdp.filters.arguments import content_of_text
from ringfence_pdp.filters.encoder.doubt import ENCODER, Doubt, EncoderMissing, EncoderRefused
from ringfence_pdp.filters.engines import INTENT, Engines
from ringfence_pdp.filters.finding import Argument, Content, Finding, Kind, Severity
from ringfence_pdp.filters.remote import NoClassifiers
from ringfence_pdp.filters.views import View

FOUND = Finding(Kind.INTENT, "intent.injection", "injection", Severity.MEDIUM, "what it says", p_value=0.005)
DOUBTS = (Doubt(Argument("/q", "a text"), View("a text"), 0.05),)
BUDGET = Millis(250)


class Heard(ManualClock):
    """A clock that says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = asyncio.Event()

    async def sleep(self, duration: Millis) -> None:
        self.waited_for.set()
        await super().sleep(duration)


class Reads:
    """Finds the same in whatever is in doubt, on the word of a test."""

    def __init__(self, raising: Exception | None = None) -> None:
        self.raising = raising
        self.may_read = threading.Event()
        self.may_read.set()
        self.threads: set[str] = set()

    def findings(self, doubts: Sequence[Doubt]) -> Sequence[Finding]:
        self.threads.add(threading.current_thread().name)
        assert self.may_read.wait(30)
        if self.raising is not None:
            raise self.raising
        return (FOUND,) if doubts else ()


def encoding(
    reader: Reader, *, use: Use = Use.ON, clock: ManualClock | None = None, load: Callable[[], Reader] | None = None
) -> Encoding:
    return Encoding(use, budget=BUDGET, clock=clock or ManualClock(), load=load or (lambda: reader), lacking=list)


def failing(problem: Exception) -> Callable[[], Reader]:
    def load() -> Reader:
        raise problem

    return load


@pytest.mark.parametrize(
    ("use", "lacking", "expected"),
    [
        (Use.AUTO, [], True),
        (Use.AUTO, ["onnxruntime"], False),
        (Use.ON, ["onnxruntime"], True),
        (Use.ON, [], True),
        (Use.OFF, [], False),
    ],
)
def test_who_is_asked(use: Use, lacking: list[str], expected: bool) -> None:
    assert is_asked(use, lambda: lacking) is expected
    made = Encoding(use, budget=BUDGET, clock=ManualClock(), load=failing(AssertionError()), lacking=lambda: lacking)
    assert made.is_asked is expected


async def test_what_is_in_doubt_is_read_in_a_thread_of_its_own() -> None:
    reader = Reads()
    asked = encoding(reader)
    assert await asked.ask(DOUBTS) == (FOUND,)
    assert await asked.ask(()) == ()
    assert asked.counts == {"read": 1}
    assert [name.startswith("encoder") for name in reader.threads] == [True]


@pytest.mark.parametrize(
    ("problem", "outcome", "severity", "says"),
    [
        (EncoderMissing("onnxruntime is not installed"), "missing", Severity.MEDIUM, "not installed"),
        (EncoderRefused("model.onnx has SHA-256 00"), "refused", Severity.HIGH, "has SHA-256"),
        (RuntimeError("secret"), "defect", Severity.HIGH, "cannot be loaded"),
    ],
)
async def test_what_cannot_be_loaded_is_said_each_time(
    problem: Exception, outcome: str, severity: Severity, says: str
) -> None:
    asked = encoding(Reads(), load=failing(problem))
    for _ in range(2):
        (found,) = await asked.ask(DOUBTS)
        assert (found.kind, found.id, found.severity) == (Kind.FAILURE, "intent.encoder.failed", severity)
        assert says in found.message
        assert "secret" not in found.message
    assert asked.counts == {outcome: 2}


async def test_a_failure_over_a_text_names_nothing_of_it() -> None:
    asked = encoding(Reads(ValueError("password hunter2")))
    (found,) = await asked.ask(DOUBTS)
    assert (found.kind, found.severity) == (Kind.FAILURE, Severity.HIGH)
    assert "hunter2" not in found.message
    assert asked.counts == {"defect": 1}


async def test_over_budget_it_is_late_and_the_next_one_is_read() -> None:
    clock, reader = Heard(), Reads()
    asked = encoding(reader, clock=clock)
    assert await asked.ask(DOUBTS) == (FOUND,)
    clock.waited_for.clear()
    reader.may_read.clear()
    late = asyncio.ensure_future(asked.ask(DOUBTS))
    await clock.waited_for.wait()
    clock.advance(BUDGET)
    (found,) = await late
    assert (found.kind, found.severity, found.message) == (
        Kind.FAILURE,
        Severity.HIGH,
        "the encoder took longer than 250 ms",
    )
    reader.may_read.set()
    assert await asked.ask(DOUBTS) == (FOUND,)
    assert asked.counts == {"read": 2, "late": 1}


async def test_more_than_may_wait_are_told_that_it_is_busy() -> None:
    reader = Reads()
    asked = encoding(reader)
    assert await asked.ask(DOUBTS) == (FOUND,)
    reader.may_read.clear()
    waiting = [asyncio.ensure_future(asked.ask(DOUBTS)) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    (found,) = await asked.ask(DOUBTS)
    assert "busy" in found.message
    reader.may_read.set()
    assert await asyncio.gather(*waiting) == [(FOUND,)] * WAITING_MAX
    assert asked.counts == {"read": WAITING_MAX + 1, "busy": 1}


class First:
    """A first reader who is in doubt about everything."""

    digest = f"sha256-{'f' * 64}"

    def findings(self, content: Content) -> Sequence[Finding]:
        return ()

    def doubts(self, content: Content) -> Sequence[Doubt]:
        return DOUBTS if content.arguments else ()


async def test_the_encoder_is_asked_by_its_name_and_others_by_theirs() -> None:
    asked = WithEncoder(NoClassifiers(), encoding(Reads()), lambda: Engines(made={INTENT: First()}))
    assert await asked.ask(ENCODER, content_of_text("a text")) == (FOUND,)
    assert await asked.ask(ENCODER, Content(())) == ()
    (found,) = await asked.ask("guard", content_of_text("a text"))
    assert found.id == "remote.guard.failed"
