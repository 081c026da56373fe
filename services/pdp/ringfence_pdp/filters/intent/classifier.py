"""The filter of intent: what a text wants, however it is worded.

Rules. Every reading of an argument is weighed and the worst is told, once an argument; a language without its
accents is no reading, because heads know the language and the frame reads it so anyway. What is written in SQL, as a
command or as code is read by analysers, and here only for what is said to a model in it. A p-value counts ordinary
calls, so the thresholds mean the same in every category: one in a thousand is HIGH, one in a hundred MEDIUM, three LOW.
Without the model, or when it fails over a text, that is a finding too.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ringfence_pdp.filters.encoder.doubt import Doubt
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Finding, Kind, Severity
from ringfence_pdp.filters.intent.artefact import Model, installed
from ringfence_pdp.filters.intent.evidence import NONE, Evidence, weigh
from ringfence_pdp.filters.intent.frame import Frame, Frames
from ringfence_pdp.filters.intent.heads import Scores, span
from ringfence_pdp.filters.intent.lexicon import built_in
from ringfence_pdp.filters.intent.readings import CATEGORIES
from ringfence_pdp.filters.masking import snippet
from ringfence_pdp.filters.views import ACCENTS, View, readings

HIGH_AT: Final = 0.001
MEDIUM_AT: Final = 0.01
LOW_AT: Final = 0.03
DOUBT_AT: Final = 0.2
"""Above MEDIUM_AT and up to here a text is in doubt: whoever has a second reader asks it, of one call in thirteen."""
FINDINGS_MAX: Final = 64

_ALL: Final = tuple(range(len(CATEGORIES)))
_VALUES: Final = (CATEGORIES.index("payload"), CATEGORIES.index("injection"))
_SAID: Final = (CATEGORIES.index("injection"),)
LOOKED_FOR: Final[Mapping[ArgumentType, Sequence[int]]] = {
    ArgumentType.FREE_TEXT: _ALL,
    ArgumentType.IDENTIFIER: _VALUES,
    ArgumentType.PATH: _VALUES,
    ArgumentType.URL: _VALUES,
    ArgumentType.SQL: _SAID,
    ArgumentType.SHELL: _SAID,
    ArgumentType.CODE: _SAID,
    ArgumentType.SECRET: (),
}
"""Which heads look at which arguments."""

MEANINGS: Final[Mapping[str, str]] = {
    "payload": "this reads like something made to be run where a value belongs",
    "injection": "this tells a model to do something else than it was told",
    "exfiltration": "this asks for something to be taken out that should stay in",
    "destruction": "this asks for something to be destroyed",
    "credential": "this is after passwords, keys or other secrets",
    "privilege": "this asks for more rights than were given",
    "evasion": "this asks not to be seen, or to blind who watches",
    "fraud": "this asks to deceive somebody for gain",
    "malware": "this asks for software that does harm",
    "sabotage": "this asks for something to be made to fail",
}
"""What a finding of each category says."""


class _Weighed:
    """One reading of an argument, and what speaks against it."""

    __slots__ = ("evidence", "frame", "p_value", "scores", "view")

    def __init__(self, view: View, model: Model, frames: Frames, heads: Sequence[int]) -> None:
        self.view = view
        self.scores: Scores = model.heads.scores(view.text)
        self.frame: Frame = frames.of(view.text)
        self.evidence: Evidence = weigh(self.scores, self.frame, model.of_heads, model.curves["frame"], heads)
        self.p_value = 1.0 if self.evidence is NONE else model.curves["fused"].of(self.evidence.weight)


class _Rated(NamedTuple):
    """An argument, and its reading that looks most dangerous: None where no head looks at it."""

    argument: Argument
    worst: _Weighed | None
    problem: str = ""
    """Why nobody knows, in a sentence; mostly empty."""


class Intent:
    """The filter of intent."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._last: tuple[Content, Sequence[_Rated]] | None = None
        """What was looked through last: whoever asks for findings often asks next what is in doubt."""
        told = f"{model.digest} {built_in().digest}"
        self._digest = f"sha256-{hashlib.sha256(told.encode()).hexdigest()}"

    @property
    def digest(self) -> str:
        """`sha256-` and 64 hex digits over the model and the dictionaries of the frame."""
        return self._digest

    def findings(self, content: Content) -> Sequence[Finding]:
        """Return what arguments want that is dangerous, the rarest first."""
        found: list[Finding] = []
        told: dict[int, Finding] = {}
        for argument, worst, problem in self._rated(content):
            if problem:
                found.append(_failure(argument, problem))
            elif worst is not None and worst.p_value <= LOW_AT:
                # One reading may be that of many arguments, which say the same.
                finding = told[id(worst)] = told.get(id(worst)) or self._explained(worst, argument)
                found.append(finding._replace(argument=argument.pointer, origin=argument.origin))
        found.sort(key=lambda finding: (-finding.severity, finding.p_value or 0.0))
        return found[:FINDINGS_MAX]

    def p_value(self, content: Content) -> float | None:
        """Return one in how many ordinary calls looks as dangerous, whether that is a finding or not.

        None where no head looks at anything in it, or the model failed over some of it.
        """
        rated = self._rated(content)
        if any(one.problem for one in rated):
            return None
        return min((one.worst.p_value for one in rated if one.worst is not None), default=None)

    def doubts(self, content: Content) -> Sequence[Doubt]:
        """Return the texts that look more dangerous than most, and not dangerous enough to be put to people."""
        return tuple(
            Doubt(argument, worst.view, worst.p_value)
            for argument, worst, _ in self._rated(content)
            if argument.type is ArgumentType.FREE_TEXT and worst is not None and MEDIUM_AT < worst.p_value <= DOUBT_AT
        )

    def _rated(self, content: Content) -> Sequence[_Rated]:
        last = self._last
        if last is None or last[0] != content:
            self._last = last = content, tuple(self._rate(content))
        return last[1]

    def _rate(self, content: Content) -> Iterator[_Rated]:
        frames = Frames(content)
        seen: dict[tuple[str, ArgumentType], _Rated] = {}
        for argument in content.arguments:
            text = argument.text, argument.type
            if text not in seen:
                seen[text] = self._rate_one(argument, frames)
            yield seen[text]._replace(argument=argument)

    def _rate_one(self, argument: Argument, frames: Frames) -> _Rated:
        try:
            return _Rated(argument, self._worst(argument, LOOKED_FOR[argument.type], frames))
        except Exception as error:  # noqa: BLE001 - whatever a text does to the model, the call is not let through for it
            return _Rated(argument, None, _problem(error))

    def _worst(self, argument: Argument, heads: Sequence[int], frames: Frames) -> _Weighed | None:
        """Return the reading of an argument that looks most dangerous."""
        views = _said(readings(argument.text, argument.type).views) if heads else ()
        weighed = [_Weighed(view, self._model, frames, heads) for view in views]
        return min(weighed, key=lambda one: one.p_value, default=None)

    def _explained(self, worst: _Weighed, argument: Argument) -> Finding:
        try:
            return self._told(worst, argument)
        except Exception as error:  # noqa: BLE001 - as above: what cannot be explained is not let through either
            return _failure(argument, _problem(error))

    def _told(self, worst: _Weighed, argument: Argument) -> Finding:
        head, category = worst.evidence.head, worst.evidence.category
        text = worst.view.text
        start, end = _where(worst.scores, head, text)
        return Finding(
            kind=Kind.INTENT,
            id=f"intent.{category}",
            category=category,
            severity=severity_of(worst.p_value),
            message=MEANINGS[category],
            argument=argument.pointer,
            argument_type=argument.type,
            views=worst.view.steps,
            start=start,
            end=end,
            snippet=snippet(text, start, end),
            p_value=worst.p_value,
            ngrams=self._model.heads.ngrams(worst.scores, head),
            frame=worst.frame.slots if worst.frame.intents else {},
            model=self._digest,
            origin=argument.origin,
        )


def _said(views: Sequence[View]) -> Sequence[View]:
    """Return the readings that are language: none without its accents, and no letters apart beside what they spell."""
    is_spelled = any(view.steps[:1] == ("together",) for view in views)
    return [view for view in views if view.steps[-1:] != (ACCENTS,) and (view.steps or not is_spelled)]


def severity_of(p_value: float) -> Severity:
    """Return how bad something is that so few ordinary calls are like."""
    if p_value <= HIGH_AT:
        return Severity.HIGH
    return Severity.MEDIUM if p_value <= MEDIUM_AT else Severity.LOW


def intent() -> Intent:
    """Return the filter with the model that is installed. Raises ModelRefusedError."""
    return Intent(installed())


def _where(scores: Scores, head: int, text: str) -> tuple[int, int]:
    """Return where in the text the window is; folding moves characters, so it is near and not exact."""
    if scores.window_count == 1:
        return 0, len(text)
    start, end = span(int(scores.windows[head]))
    share = len(text) / max(1, len(scores.grams.codes))
    return int(start * share), min(len(text), int(end * share))


def _problem(error: Exception) -> str:
    # Its type only: what it says may hold content.
    return f"the model of intent failed over this ({type(error).__name__})"


def _failure(argument: Argument, message: str) -> Finding:
    return Finding(
        kind=Kind.FAILURE,
        id="intent.failed",
        category="failure",
        severity=Severity.HIGH,
        message=message,
        argument=argument.pointer,
        argument_type=argument.type,
        origin=argument.origin,
    )
