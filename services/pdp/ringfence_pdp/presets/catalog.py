"""The presets: what each is called, takes and expands to.

A preset only restricts, unless its name says what it lets through: `read_only` allows reads, `tool_allow_list` its
tools, `require_approval` what people approve. What goes into a condition was read as a selector or a name before, so
nothing in it can end the text it stands in.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_pdp.fields import View
from ringfence_pdp.policy_fields import ACTION, ACTION_SHAPE, TOOL, TOOL_SHAPE, environment, selectors, several
from ringfence_pdp.yaml_reader import Node

Template: TypeAlias = "Node | str | list[Template] | dict[str, Template]"
"""Part of a policy: as it is written, or with what was given standing in it."""

Arguments = Mapping[str, View]

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d", re.ASCII)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""As CEL's getDayOfWeek() counts them."""
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL_SHAPE = "a label such as 'track'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What a preset stands for."""

    rules: tuple[Template, ...] = ()
    limits: tuple[Template, ...] = ()
    filters: tuple[Template, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One thing a preset takes."""

    name: str
    default: str | None
    """As it would be written, and shown; None: it has to be given. An empty one is left out when it is not given."""
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One preset. Its parameters may be given by place or by name."""

    name: str
    what: str
    parameters: tuple[Parameter, ...]
    example: str
    expand: Callable[[str, Arguments], Expansion]
    """Takes the name its rules, limits and filters begin with, and what was given or stands for it."""

    @property
    def signature(self) -> str:
        """The preset as it is called, with what is used where nothing is given."""
        given = [each.name if each.default is None else f"{each.name}={each.default}" for each in self.parameters]
        return f"{self.name}({', '.join(given)})" if given else self.name


_ACTIONS = Parameter(name="actions", default='["*"]', what="the actions it is about")
_PER = Parameter(name="per", default="agent", what="agent, namespace, team, tool, session, origin or everything")


def _read_only(name: str, given: Arguments) -> Expansion:
    actions = selectors(given["actions"], ACTION, ACTION_SHAPE)
    reads = _any_of("action.name", actions)
    acts = "action.side_effects in ['reversible', 'irreversible']"
    return Expansion(
        rules=(
            {"name": f"{name}-reads", "match": {"actions": list(actions)}, "effect": "ALLOW"},
            {
                "name": f"{name}-rest",
                "match": {"actions": ["*"]},
                "when": f"!({reads}) || {acts}",
                "effect": "DENY",
                "reason": "READ_ONLY",
            },
        )
    )


def _rate_limit(name: str, given: Arguments) -> Expansion:
    rate = f"{given['calls'].text(at_most=32)}/{given['window'].text(at_most=32)}"
    limit: dict[str, Template] = {"name": name, "rate": rate, "per": _node(given["per"])}
    if given["burst"].present:
        limit["burst"] = _node(given["burst"])
    if given["actions"].present:
        limit["match"] = {"actions": _node(given["actions"])}
    return Expansion(limits=(limit,))


def _require_approval(name: str, given: Arguments) -> Expansion:
    approval: dict[str, Template] = {
        "min_approvals": _node(given["min_approvals"]),
        "timeout": _node(given["timeout"]),
    }
    if given["approvers"].present:
        approval["approvers"] = _node(given["approvers"])
    match = {"actions": _node(given["actions"])}
    return Expansion(rules=({"name": name, "match": match, "effect": "REQUIRE_APPROVAL", "approval": approval},))


def _tool_allow_list(name: str, given: Arguments) -> Expansion:
    tools = selectors(given["tools"], TOOL, TOOL_SHAPE)
    rules: list[Template] = [{"name": f"{name}-listed", "match": {"tools": list(tools)}, "effect": "ALLOW"}]
    if "*" not in tools:
        rules.append(
            {
                "name": f"{name}-rest",
                "match": {"tools": ["*"]},
                "when": f"!({_any_of('action.tool', tools)})",
                "effect": "DENY",
                "reason": "TOOL_NOT_LISTED",
            }
        )
    return Expansion(rules=tuple(rules))


def _business_hours(name: str, given: Arguments) -> Expansion:
    start, end = (_minutes(given[each]) for each in ("start", "end"))
    if start >= end:
        given["end"].wrong("is not after the start", "give hours of one day")
    zone = given["offset"].text(_OFFSET, "an offset such as '+02:00'")
    days = sorted(
        _DAYS.index(word) for word in (item.one_of(*_DAYS) for item in several(given["days"])) if word in _DAYS
    )
    minute = f"now.getHours('{zone}') * 60 + now.getMinutes('{zone}')"
    closed = [f"{minute} < {start}", f"{minute} >= {end}"]
    if len(days) < len(_DAYS):
        closed.append(f"!(now.getDayOfWeek('{zone}') in [{', '.join(map(str, days))}])")
    rule: Template = {
        "name": name,
        "match": {"actions": _node(given["actions"])},
        "when": " || ".join(closed),
        "effect": "DENY",
        "reason": "OUT_OF_HOURS",
    }
    return Expansion(rules=(rule,))


def _no_production(name: str, given: Arguments) -> Expansion:
    environments = [environment(item) for item in several(given["environments"])]
    rule: Template = {
        "name": name,
        "match": {"actions": _node(given["actions"])},
        "when": f"environment in [{', '.join(map(repr, environments))}]",
        "effect": "DENY",
        "reason": "NO_PRODUCTION",
    }
    return Expansion(rules=(rule,))


def _spend_cap(name: str, given: Arguments) -> Expansion:
    limit: dict[str, Template] = {
        "name": name,
        "budget": {"usd": _node(given["usd"])},
        "window": _node(given["window"]),
        "per": _node(given["per"]),
        "alert_at": _node(given["alert_at"]),
    }
    return Expansion(limits=(limit,))


def _canary_only(name: str, given: Arguments) -> Expansion:
    label, value = (given[each].text(_LABEL, _LABEL_SHAPE) for each in ("label", "value"))
    rule: Template = {
        "name": name,
        "match": {"actions": _node(given["actions"])},
        # Labels are the registry's: no request can put one there.
        "when": f"!('{label}' in agent.labels) || agent.labels['{label}'] != '{value}'",
        "effect": "DENY",
        "reason": "NOT_A_CANARY",
    }
    return Expansion(rules=(rule,))


def _content_filters(name: str, given: Arguments) -> Expansion:
    common: dict[str, Template] = {"on_error": _node(given["on_error"])}
    if given["actions"].present:
        common["match"] = {"actions": _node(given["actions"])}
    if given["approvers"].present:
        common["approval"] = {"approvers": _node(given["approvers"])}
    uses = ("patterns", "intent", "origin")
    return Expansion(filters=tuple({"name": f"{name}-{use}", "use": use, **common} for use in uses))


def _any_of(path: str, names: Iterable[str]) -> str:
    """A condition that holds for what one of the selectors covers."""
    exact = [name for name in names if not name.endswith("*")]
    one_of = [f"{path} in [{', '.join(map(repr, exact))}]"] if exact else []
    beginnings = [f"{path}.startsWith('{name[:-1]}')" for name in names if name.endswith("*")]
    return " || ".join([*one_of, *beginnings]) or "false"


def _minutes(view: View) -> int:
    text = view.text(_TIME, "a time of day such as '08:30'")
    match = _TIME.fullmatch(text)
    return int(match[1]) * 60 + int(match[2]) if match else 0


def _node(view: View) -> Template:
    """What was given as it stands; it is judged where the rule or limit is read."""
    return "" if view.node is None else view.node


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="read_only",
            what="allows reads and denies everything else",
            parameters=(
                Parameter(name="actions", default='["read_*", "list_*", "get_*"]', what="the actions that read"),
            ),
            example="read_only",
            expand=_read_only,
        ),
        Preset(
            name="rate_limit",
            what="limits how many calls go through in how long; allows nothing by itself",
            parameters=(
                Parameter(name="calls", default=None, what="how many calls"),
                Parameter(name="window", default=None, what="in how long, such as 1m"),
                _PER,
                Parameter(name="burst", default="", what="how many at once; all of them when left out"),
                Parameter(name="actions", default="", what="the actions it counts; all when left out"),
            ),
            example="rate_limit(100, 1m)",
            expand=_rate_limit,
        ),
        Preset(
            name="require_approval",
            what="lets actions through that people approve",
            parameters=(
                Parameter(name="actions", default=None, what="the actions it is about"),
                Parameter(name="min_approvals", default="1", what="how many people"),
                Parameter(name="timeout", default="30m", what="how long to wait before the answer is no"),
                Parameter(
                    name="approvers", default="", what="groups that have to be among them; left out: nobody special"
                ),
            ),
            example='require_approval(["delete_*", "write_production_*"], 2, 30m)',
            expand=_require_approval,
        ),
        Preset(
            name="tool_allow_list",
            what="allows calls with these tools and denies those with any other",
            parameters=(Parameter(name="tools", default=None, what="the tools"),),
            example='tool_allow_list(["warehouse.query", "mail.*"])',
            expand=_tool_allow_list,
        ),
        Preset(
            name="business_hours",
            what="denies what comes at another time",
            parameters=(
                Parameter(name="start", default='"08:00"', what="when it opens"),
                Parameter(name="end", default='"18:00"', what="when it closes"),
                Parameter(name="days", default="[mon, tue, wed, thu, fri]", what="on which days"),
                Parameter(name="offset", default='"+00:00"', what="of the local time from UTC, all year"),
                _ACTIONS,
            ),
            example='business_hours("09:00", "17:30", offset="+01:00")',
            expand=_business_hours,
        ),
        Preset(
            name="no_production",
            what="denies everything in production",
            parameters=(
                Parameter(name="environments", default="[prod]", what="the environments that are production"),
                _ACTIONS,
            ),
            example="no_production",
            expand=_no_production,
        ),
        Preset(
            name="spend_cap",
            what="limits what calls may cost; allows nothing by itself",
            parameters=(
                Parameter(name="usd", default=None, what="how much"),
                Parameter(name="window", default="1d", what="in how long"),
                _PER,
                Parameter(name="alert_at", default="[0.5, 0.8]", what="shares of it whose crossing is told"),
            ),
            example="spend_cap(50, 1d, per=team)",
            expand=_spend_cap,
        ),
        Preset(
            name="canary_only",
            what="denies agents that the registry does not label as canaries",
            parameters=(
                Parameter(name="label", default="track", what="the label"),
                Parameter(name="value", default="canary", what="what it says of a canary"),
                _ACTIONS,
            ),
            example='canary_only(actions=["deploy_*"])',
            expand=_canary_only,
        ),
        Preset(
            name="content_filters",
            what="denies content that is dangerous and asks people about what could be; allows nothing by itself",
            parameters=(
                Parameter(name="actions", default="", what="the actions whose content is looked at; all when left out"),
                Parameter(
                    name="approvers",
                    default="",
                    what="groups that have to be among who approves; left out: nobody special",
                ),
                Parameter(name="on_error", default="DENY", what="what holds when nobody could look: DENY or less"),
            ),
            example='content_filters(approvers=["group:security"])',
            expand=_content_filters,
        ),
    )
}
"""By name."""
