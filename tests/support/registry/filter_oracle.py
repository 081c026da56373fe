"""Random filters with their meaning, worked out the slow way: an oracle that shares no code with the compiler.

A filter is drawn along AIP-160's grammar: an expression is a list of sequences (AND), a sequence a list of factors
(white space), a factor a list of terms (OR). Its text and its meaning come from that same shape, so precedence is
tested without a second parser.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from ringfence_registry.model import Agent

from support.registry.agents import TIMES, WORDS

Meaning = Callable[[Agent], bool]


@dataclass(frozen=True)
class Said:
    """A piece of filter text and what it means."""

    text: str
    means: Meaning


ONE_TEXT: dict[str, Callable[[Agent], str]] = {
    "display_name": lambda a: a.spec.display_name,
    "purpose": lambda a: a.spec.purpose,
    "owner.contact": lambda a: a.spec.owner.contact,
    "team": lambda a: a.spec.team,
    "did": lambda a: a.spec.did,
    "description": lambda a: a.card.description,
    "card.description": lambda a: a.card.description,
    "card.display_name": lambda a: a.card.name,
    "labels.tier": lambda a: a.spec.labels.get("tier", ""),
    "labels.a-b": lambda a: a.spec.labels.get("a-b", ""),
    'labels."team"': lambda a: a.spec.labels.get("team", ""),
}
MANY_TEXTS: dict[str, Callable[[Agent], list[str]]] = {
    "owner": lambda a: [a.spec.owner.display_name, a.spec.owner.contact],
    "data_classes": lambda a: list(a.spec.data_classes),
    "environments": lambda a: list(a.spec.environments),
    "approved_tools": lambda a: [tool.name for tool in a.spec.approved_tools],
    "approved_tools.name": lambda a: [tool.name for tool in a.spec.approved_tools],
    "approved_tools.schema_hash": lambda a: [t.schema_hash for t in a.spec.approved_tools if t.schema_hash != ""],
    "skills.tags": lambda a: [tag for skill in a.card.skills for tag in skill.tags],
    "card.skills.id": lambda a: [skill.id for skill in a.card.skills if skill.id != ""],
    "interfaces.protocol_binding": lambda a: [i.protocol_binding for i in a.card.interfaces if i.protocol_binding],
    "labels": lambda a: list(a.spec.labels),
    "skills.description": lambda a: [skill.description for skill in a.card.skills if skill.description != ""],
    "skills.examples": lambda a: [text for skill in a.card.skills for text in skill.examples],
    "skills.name": lambda a: [skill.name for skill in a.card.skills if skill.name != ""],
    "interfaces.url": lambda a: [each.url for each in a.card.interfaces],
    "deployments.region": lambda a: [each.region for each in a.spec.deployments if each.region != ""],
    "aliases": lambda a: list(a.aliases),
}
SEARCHED: list[Callable[[Agent], list[str]]] = [
    lambda a: [a.spec.display_name, a.spec.purpose, a.spec.team],
    lambda a: [a.spec.owner.display_name, a.spec.owner.contact],
    lambda a: [a.card.name, a.card.description, a.card.provider],
    lambda a: [
        text for skill in a.card.skills for text in (skill.name, skill.description, *skill.tags, *skill.examples)
    ],
]
TIME_FIELDS: dict[str, Callable[[Agent], int | None]] = {
    "create_time": lambda a: a.created_at,
    "retire_time": lambda a: a.retired_at,
}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}

_spaces = st.sampled_from(["", " ", "\t"])


def quote(text: str, *, wild: bool) -> str:
    """Write `text` as a quoted value; without `wild` its stars stand for themselves."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + (escaped if wild else escaped.replace("*", "\\*")) + '"'


def glob(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression: slow, and obviously right."""
    return re.compile(".*".join(re.escape(piece) for piece in pattern.split("*")), re.DOTALL)


@st.composite
def _values(draw: st.DrawFn) -> tuple[str, re.Pattern[str], str]:
    """A text as written, as a pattern for whole texts, and plain."""
    word = draw(st.sampled_from(WORDS))
    kind = draw(st.sampled_from(["plain", "literal", "wild"]))
    if kind == "plain" and re.fullmatch(r"[A-Za-z]+", word):
        return word, glob(word), word
    if kind == "wild":
        cut = draw(st.integers(0, len(word)))
        pattern = word[:cut] + "*" + word[min(len(word), cut + draw(st.integers(0, 3))) :]
        return quote(pattern, wild=True), glob(pattern), pattern
    return quote(word, wild=False), re.compile(re.escape(word)), word


@st.composite
def _about_one_text(draw: st.DrawFn) -> Said:
    field = draw(st.sampled_from(sorted(ONE_TEXT)))
    read = ONE_TEXT[field]
    written, pattern, plain = draw(_values())
    comparator = draw(st.sampled_from(["=", "!=", ":", "<", "<=", ">", ">="]))
    if comparator == ":":
        return Said(f"{field}:{written}", lambda a: read(a) != "" and _somewhere(pattern, read(a)))
    if comparator in {"=", "!="}:
        wanted = comparator == "="
        return Said(
            f"{field} {comparator} {written}", lambda a: read(a) != "" and bool(pattern.fullmatch(read(a))) is wanted
        )
    return Said(
        f"{field}{comparator}{quote(plain, wild=False)}", lambda a: read(a) != "" and ORDER[comparator](read(a), plain)
    )


def _somewhere(pattern: re.Pattern[str], text: str) -> bool:
    return re.search(pattern.pattern.casefold(), text.casefold(), re.DOTALL) is not None


@st.composite
def _about_many_texts(draw: st.DrawFn) -> Said:
    field = draw(st.sampled_from(sorted(MANY_TEXTS)))
    read = MANY_TEXTS[field]
    written, pattern, _ = draw(_values())
    return Said(f"{field}:{written}", lambda a: any(pattern.fullmatch(each) for each in read(a)))


@st.composite
def _about_choices(draw: st.DrawFn) -> Said:
    field, read, value = draw(
        st.sampled_from(
            [
                ("state", lambda a: a.state.value, "ACTIVE"),
                ("state", lambda a: a.state.value, "RETIRED"),
                ("risk_tier", lambda a: a.spec.risk_tier.value, "HIGH"),
                ("risk_tier", lambda a: a.spec.risk_tier.value, "LOW"),
                ("capabilities.streaming", lambda a: a.card.capabilities.streaming, "true"),
                ("card.streaming", lambda a: a.card.capabilities.streaming, "false"),
                ("verdict", lambda a: a.card.verdict.name, "NONCONFORMANT"),
                ("dialect", lambda a: a.card.dialect.name, "V0_3"),
            ]
        )
    )
    wanted: object = {"true": True, "false": False}.get(value, value)
    comparator = draw(st.sampled_from(["=", "!=", ":"]))
    if comparator == "!=":
        return Said(f"{field} != {value}", lambda a: read(a) is not None and read(a) != wanted)
    return Said(f"{field}{comparator}{value}", lambda a: read(a) == wanted)


@st.composite
def _about_times(draw: st.DrawFn) -> Said:
    field = draw(st.sampled_from(sorted(TIME_FIELDS)))
    read = TIME_FIELDS[field]
    comparator = draw(st.sampled_from(sorted(ORDER)))
    millis = draw(st.sampled_from(TIMES))
    hours = draw(st.sampled_from([0, 2, -11]))
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    written = moment.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec="milliseconds")

    def means(agent: Agent) -> bool:
        value = read(agent)
        return value is not None and ORDER[comparator](value, millis)

    return Said(f'{field} {comparator} "{written}"', means)


@st.composite
def _about_presence(draw: st.DrawFn) -> Said:
    field, read = draw(st.sampled_from([*ONE_TEXT.items(), *MANY_TEXTS.items(), ("skills", lambda a: a.card.skills)]))
    return Said(f"{field}:*", lambda a: len(read(a)) > 0)


@st.composite
def _bare(draw: st.DrawFn) -> Said:
    written, pattern, _ = draw(_values())
    return Said(written, lambda a: any(text and _somewhere(pattern, text) for texts in SEARCHED for text in texts(a)))


_restrictions = st.one_of(
    _about_one_text(), _about_many_texts(), _about_choices(), _about_times(), _about_presence(), _bare()
)


def _joined(parts: list[Said], word: str, fold: Callable[[list[bool]], bool]) -> Said:
    return Said(word.join(part.text for part in parts), lambda a: fold([part.means(a) for part in parts]))


def _negated(part: Said, sign: str) -> Said:
    return part if not sign else Said(sign + part.text, lambda a: not part.means(a))


@st.composite
def _expressions(draw: st.DrawFn, simple: st.SearchStrategy[Said]) -> Said:
    signed = st.builds(_negated, simple, st.sampled_from(["", "", "", "NOT ", "-"]))
    factors = st.lists(signed, min_size=1, max_size=2).map(lambda terms: _joined(terms, " OR ", any))
    sequences = st.lists(factors, min_size=1, max_size=2).map(lambda found: _joined(found, " ", all))
    return _joined(draw(st.lists(sequences, min_size=1, max_size=2)), " AND ", all)


@st.composite
def _bracketed(draw: st.DrawFn, inner: st.SearchStrategy[Said]) -> Said:
    said = draw(inner)
    return Said(f"({draw(_spaces)}{said.text}{draw(_spaces)})", said.means)


_flat = _expressions(_restrictions)
_nested = _expressions(_restrictions | _bracketed(_flat))
filters: st.SearchStrategy[Said] = _expressions(_restrictions | _bracketed(_nested))
"""A filter and its meaning, up to three parentheses deep."""
