"""Reading the `limits` of a policy.

| written | means |
| --- | --- |
| `{rate: 100/1m, per: agent}` | a hundred calls a minute, all of which may come at once |
| `{rate: 100/1m, burst: 10, per: agent}` | the same, at most ten at once |
| `{budget: {tokens: 2M, usd: 50}, window: 1d, per: team, alert_at: [0.5, 0.8]}` | two limits, of tokens and of cost |

A limit without a name is called by what it is (`rate-per-agent`), so moving it about in the file changes nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from ringfence_kit.clock import DAY, MINUTE, SECOND, Millis

from ringfence_pdp.fields import Place, View, distinct
from ringfence_pdp.limit import Alert, Limit, LimitPer, LimitUnit
from ringfence_pdp.policy_fields import Selected, length, new_name, selected

LIMITS_MAX = 64
"""Limits of one policy."""

AMOUNT_MAX = 1_000_000_000_000_000
"""The most a limit may hold, in its unit."""

BURST_MAX = 999_999_999
ALERTS_MAX = 8
RATE_WINDOW_MIN, RATE_WINDOW_MAX = SECOND, DAY
BUDGET_WINDOW_MIN, BUDGET_WINDOW_MAX = MINUTE, Millis(366 * DAY)

RATE = re.compile(r"(\d{1,15})/([0-9a-z.]{1,32})", re.ASCII)
_RATE_SHAPE = "a rate such as '100/1m': so many calls in so long"
AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([kMG]?)", re.ASCII)
_AMOUNT_SHAPE = "an amount such as 500, '250k' or '2M'"
_SCALE = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_SHARE = re.compile(r"0\.\d{1,6}|1(?:\.0{1,6})?", re.ASCII)
_SHARE_SHAPE = "a share above 0, at most 1, such as 0.8"

_UNITS = {
    "requests": (LimitUnit.REQUESTS, 1),
    "tokens": (LimitUnit.TOKENS, 1),
    "usd": (LimitUnit.COST_MICROS, 1_000_000),
}
"""What a budget may speak of, and how many of the unit one of it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLimit:
    """One limit as written, and what it counts."""

    limit: Limit
    match: Selected
    place: Place


def read_limits(items: Iterable[View]) -> tuple[WrittenLimit, ...]:
    """Read the limits of a policy."""
    names: set[str] = set()
    return tuple(written for item in items for written in _limits(item, names))


def _limits(view: View, names: set[str]) -> Iterator[WrittenLimit]:
    fields = view.fields(required=("per",), optional=("name", "rate", "burst", "budget", "window", "alert_at", "match"))
    if fields["rate"].present == fields["budget"].present:
        view.wrong(
            "is neither a rate nor a budget" if not fields["rate"].present else "is both a rate and a budget",
            "write rate: 100/1m, or budget: {tokens: 2M} and window: 1d",
        )
        return
    word = fields["per"].one_of(*(per.word for per in LimitPer))
    per = next((one for one in LimitPer if one.word == word), LimitPer.AGENT)
    kind = "rate" if fields["rate"].present else "budget"
    if fields["name"].present:
        name = new_name(fields["name"], names, "limit of this policy")
    else:
        name = _called(view, f"{kind}-per-{per.word}", names)
    match = selected(fields["match"])
    amounts = _rate(fields) if kind == "rate" else _budget(view, fields)
    shares = _shares(fields["alert_at"])
    several = len(amounts) > 1
    for unit, maximum, window, burst in amounts:
        limit = Limit(
            name=f"{name}.{unit.word}" if several else name,
            budget=kind == "budget",
            unit=unit,
            per=per,
            maximum=maximum,
            window=window,
            burst=burst,
            alerts=tuple(Alert(share=float(share), used=ceil(share * maximum)) for share in shares),
        )
        yield WrittenLimit(limit=limit, match=match, place=view.place)


def _called(view: View, name: str, names: set[str]) -> str:
    if name in names:
        view.wrong(f"another limit of this policy is called {name!r}", "give each a name")
    names.add(name)
    return name


_Amount = tuple[LimitUnit, int, Millis, int]


def _rate(fields: Mapping[str, View]) -> list[_Amount]:
    fields["window"].wrong("belongs to a budget", "a rate says its own: 100/1m")
    text = fields["rate"].text(RATE, _RATE_SHAPE)
    match = RATE.fullmatch(text)
    if match is None:
        return []
    maximum = int(match[1])
    window = length(fields["rate"], match[2], RATE_WINDOW_MIN, RATE_WINDOW_MAX)
    if not maximum:
        fields["rate"].wrong(f"{text!r} lets nothing through", "deny it with a rule")
    burst = fields["burst"].integer(1, BURST_MAX) if fields["burst"].present else maximum
    return [(LimitUnit.REQUESTS, maximum, window, burst)]


def _budget(view: View, fields: Mapping[str, View]) -> list[_Amount]:
    fields["burst"].wrong("belongs to a rate", "a budget may be used at once")
    if not fields["window"].present:
        view.wrong("'window' is missing", "write window: 1d")
    text = fields["window"].text(shape="a length of time such as '1d'", at_most=32)
    window = length(fields["window"], text, BUDGET_WINDOW_MIN, BUDGET_WINDOW_MAX) if text else Millis(0)
    units = fields["budget"].fields(required=(), optional=tuple(_UNITS))
    amounts: list[_Amount] = []
    for word, (unit, scale) in _UNITS.items():
        if units[word].present:
            maximum = _amount(units[word], scale)
            amounts.append((unit, maximum, window, maximum))
    if not amounts:
        fields["budget"].wrong("says nothing of what", f"give {', '.join(_UNITS)}, or several of them")
    return amounts


def _amount(view: View, scale: int) -> int:
    """An amount in its unit, exactly."""
    text = view.text(AMOUNT, _AMOUNT_SHAPE)
    match = AMOUNT.fullmatch(text)
    if match is None:
        return 0
    amount = Decimal(match[1]) * _SCALE[match[2]] * scale
    if amount != amount.to_integral_value():
        view.wrong(f"{text!r} is not a whole number of its unit")
    elif not 0 < amount <= AMOUNT_MAX:
        view.wrong(f"{text!r} is too {'much' if amount else 'little'}", _AMOUNT_SHAPE)
    return int(amount)


def _shares(view: View) -> list[Fraction]:
    items = view.items(at_most=ALERTS_MAX)
    distinct(items)
    shares = []
    for item in items:
        text = item.text(_SHARE, _SHARE_SHAPE)
        if _SHARE.fullmatch(text):
            shares.append(Fraction(text))
            if not shares[-1]:
                item.wrong(f"{text!r} is not {_SHARE_SHAPE}")
    return sorted(shares)
