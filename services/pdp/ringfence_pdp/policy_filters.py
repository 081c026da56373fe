"""Reading the `filters` of a policy: which filters look at what agents pass on, and what is made of what they find.

```yaml
filters:
  - name: content
    use: patterns                     # patterns | intent | origin | remote
    match: {tools: ['mail.*']}        # left out: every call
    actions: {high: DENY, medium: REQUIRE_APPROVAL, low: FLAG}    # these are the defaults; IGNORE is possible
    on_error: DENY                    # or REQUIRE_APPROVAL, FLAG
    ignore: [sql.comment-truncation, category:fraud]
```

A filter that fails is never ignored: what holds then is `on_error`, whatever `actions` and `ignore` say.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ringfence_kit.clock import MINUTE, Millis

from ringfence_pdp.fields import Place, View, distinct
from ringfence_pdp.filters.filter_rule import CATEGORIES
from ringfence_pdp.filters.finding import Action, Severity
from ringfence_pdp.model import Approval
from ringfence_pdp.policy_approval import read_approval
from ringfence_pdp.policy_fields import NAME, NAME_SHAPE, Selected, new_name, selected

FILTERS_MAX: Final = 32
"""Filters of one policy."""

IGNORED_MAX: Final = 256
IGNORED: Final = re.compile(r"(category:)?[a-z0-9_]+([.-][a-z0-9_]+){0,15}", re.ASCII)
CATEGORY: Final = "category:"
_IGNORED_SHAPE: Final = "a rule such as 'sql.comment-truncation', or 'category:fraud'"
P_VALUE: Final = re.compile(r"0\.\d{1,6}", re.ASCII)
_P_VALUE_SHAPE: Final = "a share of ordinary calls, above 0 and at most 0.03, such as 0.001"
P_VALUE_MAX: Final = 0.03
"""Nothing that looks less dangerous is told at all."""

IGNORE: Final = "IGNORE"
ACTIONS: Final[Mapping[str, Action]] = {
    "DENY": Action.DENY,
    "REQUIRE_APPROVAL": Action.REQUIRE_APPROVAL,
    "FLAG": Action.FLAG,
    IGNORE: Action.NONE,
}
"""As policies write them."""


class FilterUse(enum.Enum):
    """Which filter looks."""

    PATTERNS = "patterns"
    """Rules of packs, and what statements, commands, paths and URLs do."""
    INTENT = "intent"
    """What a text wants."""
    ORIGIN = "origin"
    """Where what leaves the mesh comes from."""
    REMOTE = "remote"
    """A classifier elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """How rare among ordinary calls something has to be to count as this bad: `high` <= `medium` <= `low`."""

    high: float = 0.001
    medium: float = 0.01
    low: float = 0.03


USUAL_THRESHOLDS: Final = Thresholds()
USUAL_ACTIONS: Final[Mapping[Severity, Action]] = {
    Severity.HIGH: Action.DENY,
    Severity.MEDIUM: Action.REQUIRE_APPROVAL,
    Severity.LOW: Action.FLAG,
}
USUAL_APPROVAL: Final = Approval(min_approvals=1, approver_groups=(), timeout=Millis(30 * MINUTE))


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFilter:
    """One filter as written."""

    name: str
    use: FilterUse
    match: Selected
    actions: Mapping[Severity, Action]
    """NONE: it is ignored."""
    on_error: Action
    """Of the filter that failed: never NONE."""
    approval: Approval
    """What is asked of people where an action says so."""
    thresholds: Thresholds = USUAL_THRESHOLDS
    ignore: frozenset[str] = frozenset()
    """Ids of rules, and categories as `category:…`, of which nothing is made."""
    classifier: str = ""
    """The name of a classifier in `pdp.toml`; set exactly when `use` is REMOTE."""
    unknown_is_untrusted: bool = False
    """Whether what nobody said the origin of is judged like what comes from a tool; only where `use` is ORIGIN."""
    place: Place


def read_filters(items: Iterable[View], names: set[str]) -> tuple[WrittenFilter, ...]:
    """Read the filters of a policy. `names` are those of its rules: an answer names both alike."""
    return tuple(_filter(item, names) for item in items)


def _filter(view: View, names: set[str]) -> WrittenFilter:
    fields = view.fields(
        required=("name", "use"),
        optional=("match", "actions", "thresholds", "on_error", "approval", "ignore", "classifier", "unknown"),
    )
    word = fields["use"].one_of(*(use.value for use in FilterUse))
    use = next((one for one in FilterUse if one.value == word), FilterUse.PATTERNS)
    for name, of in _ONLY_OF.items():
        if use is not of:
            fields[name].wrong(f"belongs to a filter with use: {of.value}", "leave it out")
    if use is FilterUse.REMOTE and not fields["classifier"].present:
        view.wrong("'classifier' is missing", "give the name of one in pdp.toml, [pdp.classifiers.NAME]")
    unknown = fields["unknown"].one_of("untrusted", "trusted") if fields["unknown"].present else "trusted"
    return WrittenFilter(
        name=new_name(fields["name"], names, "rule or filter of this policy"),
        use=use,
        match=selected(fields["match"]),
        actions=_actions(fields["actions"]),
        on_error=_action(fields["on_error"], Action.DENY, ignorable=False),
        approval=_approval(fields["approval"]),
        thresholds=_thresholds(fields["thresholds"]),
        ignore=_ignored(fields["ignore"], use),
        classifier=fields["classifier"].text(NAME, NAME_SHAPE),
        unknown_is_untrusted=unknown == "untrusted",
        place=view.place,
    )


_ONLY_OF: Final = {
    "thresholds": FilterUse.INTENT,
    "classifier": FilterUse.REMOTE,
    "unknown": FilterUse.ORIGIN,
}
"""What only one kind of filter takes."""


def _actions(view: View) -> Mapping[Severity, Action]:
    fields = view.fields(required=(), optional=tuple(severity.word for severity in Severity))
    found = {severity: _action(fields[severity.word], usual) for severity, usual in USUAL_ACTIONS.items()}
    if not found[Severity.LOW] <= found[Severity.MEDIUM] <= found[Severity.HIGH]:
        view.wrong("makes more of what is less bad", "let high be at least as strict as medium, and medium as low")
    return found


def _action(view: View, otherwise: Action, *, ignorable: bool = True) -> Action:
    if not view.present:
        return otherwise
    return ACTIONS.get(view.one_of(*(word for word in ACTIONS if ignorable or word != IGNORE)), otherwise)


def _approval(view: View) -> Approval:
    return read_approval(view, otherwise=USUAL_APPROVAL) if view.present else USUAL_APPROVAL


def _thresholds(view: View) -> Thresholds:
    fields = view.fields(required=(), optional=("high", "medium", "low"))
    found = Thresholds(
        high=_p_value(fields["high"], USUAL_THRESHOLDS.high),
        medium=_p_value(fields["medium"], USUAL_THRESHOLDS.medium),
        low=_p_value(fields["low"], USUAL_THRESHOLDS.low),
    )
    if not found.high <= found.medium <= found.low:
        view.wrong("calls rarer what is less bad", "let high be at most medium, and medium at most low")
    return found


def _p_value(view: View, otherwise: float) -> float:
    if not view.present:
        return otherwise
    text = view.text(P_VALUE, _P_VALUE_SHAPE)
    value = float(text) if P_VALUE.fullmatch(text) else otherwise
    if not 0 < value <= P_VALUE_MAX:
        view.wrong(f"{text!r} is not {_P_VALUE_SHAPE}")
    return value


def _ignored(view: View, use: FilterUse) -> frozenset[str]:
    items = view.items(at_most=IGNORED_MAX)
    distinct(items)
    found = {item.text(IGNORED, _IGNORED_SHAPE): item for item in items}
    for text, item in found.items():
        category = text.removeprefix(CATEGORY)
        # What a classifier elsewhere calls its categories is its own affair.
        if text != category and use is not FilterUse.REMOTE and category and category not in CATEGORIES:
            item.wrong(f"there is no category {category!r}", f"there are {', '.join(CATEGORIES)}")
    return frozenset(found)
