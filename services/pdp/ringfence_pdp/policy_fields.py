"""What several parts of a policy file are made of: names, selectors and lengths of time."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from ringfence_kit.clock import DAY, Millis
from ringfence_kit.names import AgentName, is_resource_id

from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.cel.values import NANOS_PER_MILLI, parse_duration
from ringfence_pdp.fields import View, distinct
from ringfence_pdp.selector import ANYTHING
from ringfence_pdp.yaml_reader import Mapping

SELECTORS_MAX = 64
"""Selectors in one list."""

NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
NAME_SHAPE = "a name such as 'big-export': a-z, 0-9 and dashes, at most 63"
ACTION = re.compile(r"\*|[a-z0-9._:/-]{1,127}\*?", re.ASCII)
ACTION_SHAPE = "an action such as 'read_table' or 'read_*': lower case, '*' only at the end"
TOOL = re.compile(r"\*|[a-z0-9._-]{1,127}\*?", re.ASCII)
TOOL_SHAPE = "a tool such as 'warehouse.export' or 'warehouse.*': lower case, '*' only at the end"
_AGENT_SHAPE = "an agent such as 'namespaces/data/agents/analyst' or 'namespaces/data/agents/analyst-*'"
_BOUNDARY_SHAPE = "a boundary such as 'namespaces/data/boundaries/partners' or 'namespaces/data/boundaries/*'"
_DAYS = re.compile(r"(\d{1,4})d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Which calls something is about."""

    actions: tuple[str, ...] = (ANYTHING,)
    tools: tuple[str, ...] = ()
    """Empty: with any tool, or none. With selectors, a request without a tool does not match."""


def new_name(view: View, names: set[str], what: str) -> str:
    """Read a name that nothing else in `names` has, and add it."""
    name = view.text(NAME, NAME_SHAPE)
    if name in names:
        view.wrong(f"another {what} is called {name!r}", "give each its own name")
    if name:
        names.add(name)
    return name


def selected(match: View) -> Selected:
    """Read a `match`."""
    fields = match.fields(required=(), optional=("actions", "tools"))
    if isinstance(match.node, Mapping) and not match.node.entries:
        match.wrong("matches nothing", "to match everything write {actions: ['*']}")
    return Selected(
        actions=selectors(fields["actions"], ACTION, ACTION_SHAPE) or (ANYTHING,),
        tools=selectors(fields["tools"], TOOL, TOOL_SHAPE),
    )


def several(view: View) -> tuple[View, ...]:
    """Read a list of distinct texts."""
    items = view.items(at_most=SELECTORS_MAX)
    distinct(items)
    return items


def selectors(view: View, pattern: re.Pattern[str], shape: str) -> tuple[str, ...]:
    """Read a list of distinct texts of one shape."""
    return tuple(item.text(pattern, shape) for item in several(view))


def agent(view: View) -> str:
    """Read a selector of agents by name; `ns/` is short for `namespaces/`."""
    return _resource(view, "agents", _AGENT_SHAPE)


def boundary(view: View) -> str:
    """Read a selector of boundaries by name; `ns/` is short for `namespaces/`."""
    return _resource(view, "boundaries", _BOUNDARY_SHAPE)


def _resource(view: View, collection: str, shape: str) -> str:
    text = view.text(shape=shape)
    full = f"namespaces/{text.removeprefix('ns/')}" if text.startswith("ns/") else text
    if text and full != ANYTHING and not _can_cover(collection, full):
        view.wrong(f"{text!r} is not {shape}")
    return full


def _can_cover(collection: str, selector: str) -> bool:
    if not selector.endswith("*"):
        # A boundary is named as an agent is, in another collection.
        return AgentName.parse(selector.replace(f"/{collection}/", "/agents/", 1)) is not None and (
            f"/{collection}/" in selector
        )
    match selector[:-1].split("/"):
        case ["namespaces", start]:
            return not start or is_resource_id(start.rstrip("-"))
        case ["namespaces", namespace, start]:
            return is_resource_id(namespace) and collection.startswith(start)
        case ["namespaces", namespace, found, start] if found == collection:
            return is_resource_id(namespace) and (not start or is_resource_id(start.rstrip("-")))
        case _:
            return False


def environment(view: View) -> str:
    """Read the name of an environment."""
    text = view.text(shape="an environment such as 'prod'", at_most=63)
    if text and not is_resource_id(text):
        view.wrong(f"{text!r} is not an environment such as 'prod'")
    return text


def length(view: View, text: str, shortest: Millis, longest: Millis) -> Millis:
    """Return the length of time that `text`, the field of `view` or a part of it, names: `30m`, `1h30m`, `7d`."""
    days = _DAYS.fullmatch(text)
    try:
        found = Millis(int(days[1]) * DAY) if days else Millis(parse_duration(text) // NANOS_PER_MILLI)
    except EvaluationError:
        found = Millis(0)
    if text and not shortest <= found <= longest:
        shape = f"a length of time from {written(shortest)} to {written(longest)}, such as '30m'"
        view.wrong(f"{text!r} is not {shape}")
    return found


_UNITS: Collection[tuple[int, str]] = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))


def written(span: Millis) -> str:
    """Return a length of time as a policy writes it, in the largest unit that gives a whole number."""
    return next((f"{span // size}{unit}" for size, unit in _UNITS if span % size == 0), f"{span}ms")
