"""How many different names one reporter may bring a day, and how many series a namespace: the rest share one.

No sender can fill our memory or our tables with names. The rules:

- names are counted by kind (agent, session, model, tool, team, skill), reporter and day of receipt;
- series, the combinations of agent, operation, model, tool and team, are counted by namespace and day; for agents that
  have none, by reporter;
- what was admitted once stays admitted that day; a name that came too late is folded into `overflow`, a series into the
  one series of its namespace that has that name everywhere, but for agents its reporter is bound to; both are counted;
- what was admitted is stored with the usage it was counted in, so a replay folds the same.
"""

import enum
import hashlib
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import msgspec
from ringfence_kit.clock import DAY, Instant

from ringfence_telemetry.reporters import Binding
from ringfence_telemetry.spans import SpanDetail, SpanFact

OVERFLOW = "overflow"

_NAMINGS_MAX = 100
_REMEMBERED = 10_000
_DIGEST = 16
"""Bytes of a series' digest."""


class LabelKind(enum.Enum):
    """What is named."""

    AGENT = "agent"
    SESSION = "session"
    MODEL = "model"
    TOOL = "tool"
    TEAM = "team"
    SKILL = "skill"
    SERIES = "series"


class Label(NamedTuple):
    """A name that was admitted."""

    day: int
    """Days since the epoch."""
    kind: LabelKind
    principal: str
    """The reporter that brought it; of a series, its namespace."""
    label: str


class LabelLimits(NamedTuple):
    """How many names of each kind a reporter may bring a day, and how many series a namespace."""

    agents: int = 10_000
    sessions: int = 200_000
    models: int = 1_000
    tools: int = 5_000
    teams: int = 1_000
    skills: int = 1_000
    series: int = 50_000


class LabelBook:
    """The names admitted today, and yesterday while a backlog of it is worked off."""

    def __init__(self, limits: LabelLimits) -> None:
        self._limits = dict(zip(LabelKind, limits, strict=True))
        self._admitted: dict[tuple[int, LabelKind, str], set[str]] = {}
        self._fresh: list[Label] = []
        self._namings: dict[tuple[int, Binding], Naming] = {}
        self.overflowed = 0
        """Names folded since the start."""
        self.series_overflowed = 0
        """Spans folded into the one series of their namespace since the start."""

    def restore(self, labels: Iterable[Label]) -> None:
        """Start again from what is stored."""
        self._admitted.clear()
        self._namings.clear()
        self._fresh.clear()
        for label in labels:
            self._admitted.setdefault(label[:3], set()).add(label.label)

    def take_fresh(self) -> list[Label]:
        """Return the names admitted since the last call: they are to be stored."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def naming(self, binding: Binding, *, received_at: Instant) -> "Naming":
        """Return how one reporter's spans, received at one moment, are named."""
        day = received_at // DAY
        naming = self._namings.get((day, binding))
        if naming is None:
            if len(self._namings) >= _NAMINGS_MAX:
                self._namings.clear()
            naming = self._namings[day, binding] = Naming(self, binding, day)
        return naming

    def forget_before(self, received_at: Instant) -> None:
        """Drop the days before the one before `received_at`'s."""
        oldest = received_at // DAY - 1
        self._admitted = {key: labels for key, labels in self._admitted.items() if key[0] >= oldest}
        self._namings = {key: naming for key, naming in self._namings.items() if key[0] >= oldest}

    def admits(self, names: "Names", name: str) -> bool:
        """Say whether `name` is admitted, now or before."""
        if name in names.admitted:
            return True
        if len(names.admitted) >= self._limits[names.kind]:
            return False
        names.admitted.add(name)
        self._fresh.append(Label(names.day, names.kind, names.principal, name))
        return True

    def names(self, day: int, kind: LabelKind, principal: str) -> "Names":
        """Return the names of one kind that one reporter brought on a day."""
        return Names(self._admitted.setdefault((day, kind, principal), set()), day, kind, principal)


class Names(NamedTuple):
    """The names of one kind that one reporter brought on a day."""

    admitted: set[str]
    day: int
    kind: LabelKind
    principal: str


_Said: TypeAlias = tuple[str, str, str, SpanDetail | None]


class _Named(NamedTuple):
    """What becomes of an agent, a model and a detail; which of it is folded is counted for each span."""

    agent: str
    model: str
    detail: SpanDetail | None
    trusted: bool
    as_said: bool
    folded: int
    series_folded: bool


class Naming:
    """Puts the names that count into a reporter's facts of a day."""

    def __init__(self, book: LabelBook, binding: Binding, day: int) -> None:
        self._book = book
        self._binding = binding
        self._day = day
        principal = binding.reporter.principal
        self._of = {kind: book.names(day, kind, principal) for kind in LabelKind}
        self._sessions = self._of[LabelKind.SESSION]
        self._known: dict[_Said, _Named] = {}

    def name(self, fact: SpanFact) -> tuple[SpanFact, bool]:
        """Return `fact` with the agent that is meant and every name that came too late folded, and whether its reporter
        may speak for that agent."""
        said = (fact.agent, fact.model, fact.operation, fact.detail)
        named = self._known.get(said)
        if named is None:
            named = self._decide(said)
        session = fact.session
        if session and session not in self._sessions.admitted and not self._book.admits(self._sessions, session):
            self._book.overflowed += 1
            session = OVERFLOW
        if named.as_said:
            if session is fact.session:
                return fact, named.trusted
            return msgspec.structs.replace(fact, session=session), named.trusted
        self._book.overflowed += named.folded
        self._book.series_overflowed += named.series_folded
        named_fact = msgspec.structs.replace(
            fact, agent=named.agent, session=session, model=named.model, detail=named.detail
        )
        return named_fact, named.trusted

    def _decide(self, said: _Said) -> _Named:
        """Decide once: what is admitted stays admitted, and when there is no room today there is none later today."""
        label, model, operation, detail = said
        agent, trusted = self._binding.attribution(label)
        bound = self._binding.binds(agent)
        folded = _Folded(self._book, self._of)
        kept = agent if bound else folded.name(LabelKind.AGENT, agent)
        kept_model = folded.name(LabelKind.MODEL, model)
        kept_detail = None if detail is None else folded.detail(detail)
        series_folded = not self._admits_series((kept, operation, kept_model, kept_detail))
        if series_folded:
            kept = kept if bound or not kept else OVERFLOW
            kept_model = kept_model and OVERFLOW
            kept_detail = None if kept_detail is None else _overflowed(kept_detail)
        named = _Named(
            agent=kept,
            model=kept_model,
            detail=kept_detail,
            trusted=trusted,
            as_said=(kept, kept_model, kept_detail) == (label, model, detail),
            folded=folded.count,
            series_folded=series_folded,
        )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[said] = named
        return named

    def _admits_series(self, series: tuple[str, str, str, SpanDetail | None]) -> bool:
        agent, operation, model, detail = series
        tool, team = ("", "") if detail is None else (detail.tool, detail.team)
        parts = f"{agent}\x00{operation}\x00{model}\x00{tool}\x00{team}"
        digest = hashlib.sha256(parts.encode(errors="surrogatepass")).digest()[:_DIGEST].hex()
        owner = _namespace(agent) or self._binding.reporter.principal
        return self._book.admits(self._book.names(self._day, LabelKind.SERIES, owner), digest)


class _Folded:
    """Folds names that come too late, and counts them."""

    def __init__(self, book: LabelBook, names: dict[LabelKind, Names]) -> None:
        self._book = book
        self._names = names
        self.count = 0

    def name(self, kind: LabelKind, name: str) -> str:
        """Return `name`, or `overflow`."""
        if not name or self._book.admits(self._names[kind], name):
            return name
        self.count += 1
        return OVERFLOW

    def detail(self, detail: SpanDetail) -> SpanDetail:
        """Return `detail` with the names in it that count."""
        tool = self.name(LabelKind.TOOL, detail.tool)
        team, skill = self.name(LabelKind.TEAM, detail.team), self.name(LabelKind.SKILL, detail.skill)
        if (tool, team, skill) == (detail.tool, detail.team, detail.skill):
            return detail
        return msgspec.structs.replace(detail, tool=tool, team=team, skill=skill)


def _overflowed(detail: SpanDetail) -> SpanDetail:
    return msgspec.structs.replace(detail, tool=detail.tool and OVERFLOW, team=detail.team and OVERFLOW)


def _namespace(agent: str) -> str:
    """Return `namespaces/x` of an agent's resource name; nothing of other names."""
    if not agent.startswith("namespaces/"):
        return ""
    return "/".join(agent.split("/", 2)[:2])
