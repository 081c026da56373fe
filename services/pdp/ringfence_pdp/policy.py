"""Policies as they are written: YAML files to values, or to the list of everything that is wrong with them.

Two kinds of document: `Policy` (rules for some agents) and `RingGate` (a stricter ring for some actions). Every problem
names file, line and field and says what would be right. What is read here is only well formed; whether its conditions
make sense is found out by compiling (`compile.py`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ringfence_kit.clock import HOUR, SECOND, Millis
from ringfence_kit.names import AgentName, is_resource_id

from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.cel.tokens import SOURCE_MAX
from ringfence_pdp.cel.values import NANOS_PER_MILLI, parse_duration
from ringfence_pdp.fields import Place, Report, View, distinct
from ringfence_pdp.model import Approval, Effect, Side
from ringfence_pdp.rings import RingRequirement, loosest_class
from ringfence_pdp.selector import ANYTHING
from ringfence_pdp.yaml_reader import Mapping, Mark, YamlInvalid, read

API_VERSION = "ringfence.dev/v1"

RULES_MAX = 20_000
"""Rules in one bundle."""

SELECTORS_MAX = 64
"""Selectors in one list."""

REQUIREMENTS_MAX = 256
APPROVALS_MAX = 16
APPROVAL_TIMEOUT_MIN = SECOND
APPROVAL_TIMEOUT_MAX = Millis(24 * HOUR)

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NAME_SHAPE = "a name such as 'big-export': a-z, 0-9 and dashes, at most 63"
_ACTION = re.compile(r"\*|[a-z0-9._:/-]{1,127}\*?", re.ASCII)
_ACTION_SHAPE = "an action such as 'read_table' or 'read_*': lower case, '*' only at the end"
_TOOL = re.compile(r"\*|[a-z0-9._-]{1,127}\*?", re.ASCII)
_TOOL_SHAPE = "a tool such as 'warehouse.export' or 'warehouse.*': lower case, '*' only at the end"
_GROUP = re.compile(r"group:[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_GROUP_SHAPE = "a group such as 'group:data-oncall'"
_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}", re.ASCII)
_REASON_SHAPE = "a reason such as 'EXPORT_TOO_LARGE'"
_AGENT_SHAPE = "an agent such as 'namespaces/data/agents/analyst' or 'namespaces/data/agents/analyst-*'"
_DURATION_SHAPE = "a length of time from 1s to 24h, such as '30m'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Governs:
    """Whom a policy is for. Nothing named means everyone."""

    agents: tuple[str, ...] = (ANYTHING,)
    environments: tuple[str, ...] = ()
    side: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule as written."""

    name: str
    effect: Effect
    actions: tuple[str, ...] = (ANYTHING,)
    tools: tuple[str, ...] = ()
    """Empty: with any tool, or none. With selectors, a request without a tool does not match."""
    when: str | None = None
    approval: Approval | None = None
    """Set exactly when the effect is REQUIRE_APPROVAL."""
    reason: str | None = None
    place: Place
    when_place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy as written."""

    name: str
    governs: Governs = field(default_factory=Governs)
    rules: tuple[Rule, ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All documents of a bundle."""

    policies: tuple[Policy, ...]
    ring_requirements: tuple[RingRequirement, ...]


def read_policies(files: Iterable[PolicyFile], report: Report) -> Policies:
    """Read every document; what is wrong goes into the report."""
    policies: list[Policy] = []
    requirements: list[RingRequirement] = []
    names: set[str] = set()
    for file in files:
        for document in _documents(file, report):
            fields = document.fields(required=("apiVersion", "kind", "metadata", "spec"))
            fields["apiVersion"].one_of(API_VERSION)
            name = _document_name(fields["metadata"], names)
            if fields["kind"].one_of("Policy", "RingGate") == "RingGate":
                requirements.extend(_ring_requirements(fields["spec"]))
            else:
                policies.append(_policy(name, fields["spec"]))
    if sum(len(policy.rules) for policy in policies) > RULES_MAX:
        report.add(policies[-1].place, f"the bundle has more than {RULES_MAX} rules")
    return Policies(policies=tuple(policies), ring_requirements=tuple(requirements))


def _documents(file: PolicyFile, report: Report) -> list[View]:
    try:
        roots = read(file.content)
    except YamlInvalid as error:
        report.add(Place(file.path, error.mark, ""), error.problem, error.remedy)
        return []
    if not roots:
        report.add(Place(file.path, Mark(1, 1), ""), "the file is empty", "leave it out")
    return [View(file.path, root, root.mark, "", report) for root in roots]


def _document_name(metadata: View, names: set[str]) -> str:
    return _new_name(metadata.fields(required=("name",))["name"], names, "document of this bundle")


def _new_name(view: View, names: set[str], what: str) -> str:
    name = view.text(_NAME, _NAME_SHAPE)
    if name in names:
        view.wrong(f"another {what} is called {name!r}", "give each its own name")
    if name:
        names.add(name)
    return name


def _policy(name: str, spec: View) -> Policy:
    fields = spec.fields(required=("rules",), optional=("governs",))
    names: set[str] = set()
    rules = tuple(_rule(item, names) for item in fields["rules"].items(at_most=RULES_MAX))
    return Policy(name=name, governs=_governs(fields["governs"]), rules=rules, place=spec.place)


def _governs(view: View) -> Governs:
    fields = view.fields(required=(), optional=("agents", "environments", "side"))
    side = fields["side"].one_of(Side.CALLER.word, Side.CALLEE.word)
    return Governs(
        agents=tuple(map(_agent, _several(fields["agents"]))) or (ANYTHING,),
        environments=tuple(map(_environment, _several(fields["environments"]))),
        side=next((one for one in Side if one.word == side), None),
    )


def _rule(view: View, names: set[str]) -> Rule:
    fields = view.fields(required=("name", "match", "effect"), optional=("when", "approval", "reason"))
    match = fields["match"].fields(required=(), optional=("actions", "tools"))
    if isinstance(fields["match"].node, Mapping) and not fields["match"].node.entries:
        fields["match"].wrong("matches nothing", "to match everything write {actions: ['*']}")
    word = fields["effect"].one_of(*(effect.name for effect in Effect))
    effect = Effect[word] if word in Effect.__members__ else Effect.DENY
    return Rule(
        name=_new_name(fields["name"], names, "rule of this policy"),
        effect=effect,
        actions=_selectors(match["actions"], _ACTION, _ACTION_SHAPE) or (ANYTHING,),
        tools=_selectors(match["tools"], _TOOL, _TOOL_SHAPE),
        when=fields["when"].text(shape="a condition", at_most=SOURCE_MAX) or None,
        approval=_approval(view, fields["approval"], effect),
        reason=fields["reason"].text(_REASON, _REASON_SHAPE) or None,
        place=view.place,
        when_place=fields["when"].place,
    )


def _approval(rule: View, approval: View, effect: Effect) -> Approval | None:
    if effect is not Effect.REQUIRE_APPROVAL:
        if approval.present:
            approval.wrong(f"a rule that says {effect.name} asks for no approval", "leave approval out")
        return None
    if not approval.present:
        rule.wrong("'approval' is missing", "write {min_approvals: 1, approvers: ['group:…'], timeout: 30m}")
    fields = approval.fields(required=("min_approvals", "approvers", "timeout"))
    return Approval(
        min_approvals=fields["min_approvals"].integer(1, APPROVALS_MAX),
        approver_groups=tuple(sorted(_selectors(fields["approvers"], _GROUP, _GROUP_SHAPE))),
        timeout=_timeout(fields["timeout"]),
    )


def _timeout(view: View) -> Millis:
    text = view.text(shape=_DURATION_SHAPE, at_most=32)
    try:
        timeout = Millis(parse_duration(text) // NANOS_PER_MILLI)
    except EvaluationError:
        timeout = Millis(0)
    if text and not APPROVAL_TIMEOUT_MIN <= timeout <= APPROVAL_TIMEOUT_MAX:
        view.wrong(f"{text!r} is not {_DURATION_SHAPE}")
    return timeout


def _several(view: View) -> tuple[View, ...]:
    items = view.items(at_most=SELECTORS_MAX)
    distinct(items)
    return items


def _selectors(view: View, pattern: re.Pattern[str], shape: str) -> tuple[str, ...]:
    return tuple(item.text(pattern, shape) for item in _several(view))


def _agent(view: View) -> str:
    """A selector of agents by name; `ns/` is short for `namespaces/`."""
    text = view.text(shape=_AGENT_SHAPE)
    full = f"namespaces/{text.removeprefix('ns/')}" if text.startswith("ns/") else text
    if text and full != ANYTHING and not _can_cover_an_agent(full):
        view.wrong(f"{text!r} is not {_AGENT_SHAPE}")
    return full


def _can_cover_an_agent(selector: str) -> bool:
    if not selector.endswith("*"):
        return AgentName.parse(selector) is not None
    match selector[:-1].split("/"):
        case ["namespaces", start]:
            return not start or is_resource_id(start.rstrip("-"))
        case ["namespaces", namespace, start]:
            return is_resource_id(namespace) and "agents".startswith(start)
        case ["namespaces", namespace, "agents", start]:
            return is_resource_id(namespace) and (not start or is_resource_id(start.rstrip("-")))
        case _:
            return False


def _environment(view: View) -> str:
    text = view.text(shape="an environment such as 'prod'", at_most=63)
    if text and not is_resource_id(text):
        view.wrong(f"{text!r} is not an environment such as 'prod'")
    return text


def _ring_requirements(spec: View) -> list[RingRequirement]:
    rows: list[RingRequirement] = []
    for item in spec.fields(required=("requirements",))["requirements"].items(at_most=REQUIREMENTS_MAX):
        fields = item.fields(required=("actions", "ring"))
        ring = fields["ring"].integer(0, 2)
        for view in _several(fields["actions"]):
            actions = view.text(_ACTION, _ACTION_SHAPE)
            needed = loosest_class(actions).value
            if actions and ring >= needed:
                view.wrong(
                    f"{actions!r} needs ring {needed} anyway", f"ring {ring} is not stricter: lower it or leave it out"
                )
            rows.append(RingRequirement(actions, ring))
    return rows
