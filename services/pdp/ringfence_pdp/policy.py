"""Policies as they are written: YAML files to values, or to the list of everything that is wrong with them.

Three kinds of document: `Policy` (rules for some agents), `RingGate` (a stricter ring for some actions), `FilterRules`
(what content filters look for). Every problem names file, line and field and says what would be right. What is read
here is only well formed; whether its conditions make sense is found out by compiling (`compile.py`).
"""

import enum
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ringfence_kit.trust_decay import LEAST_TRUSTED_RING

from ringfence_pdp.breathing import nothing_more
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel.tokens import SOURCE_MAX
from ringfence_pdp.fields import Place, Report, View
from ringfence_pdp.filters.filter_rule import FilterRule
from ringfence_pdp.model import Approval, Effect, Obligation, Side
from ringfence_pdp.policy_approval import read_approval
from ringfence_pdp.policy_fields import (
    ACTION,
    ACTION_SHAPE,
    NAME,
    NAME_SHAPE,
    agent,
    boundary,
    environment,
    new_name,
    selected,
    several,
)
from ringfence_pdp.policy_filters import FILTERS_MAX, WrittenFilter, read_filters
from ringfence_pdp.policy_limits import LIMITS_MAX, WrittenLimit, read_limits
from ringfence_pdp.policy_obligations import read_obligations
from ringfence_pdp.presets.expanding import expand_presets
from ringfence_pdp.rings import RingRequirement, loosest_class
from ringfence_pdp.selector import ANYTHING
from ringfence_pdp.yaml_reader import Mark, YamlInvalid, read

API_VERSION = "ringfence.dev/v1"

RULES_MAX = 20_000
"""Rules in one bundle."""

FILTER_RULES_MAX = 2_000
"""Rules of content filters in one bundle."""

REQUIREMENTS_MAX = 256
PRIORITY_MAX = 1_000_000
REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}", re.ASCII)
REASON_SHAPE = "a reason such as 'EXPORT_TOO_LARGE'"

_EFFECTS = {effect.name: effect for effect in Effect}


class Algorithm(enum.Enum):
    """How the rules of one policy are combined; see `algorithm.py`."""

    DENY_OVERRIDES = "deny_overrides"
    ALLOW_OVERRIDES = "allow_overrides"
    PRIORITY_FIRST_MATCH = "priority_first_match"
    MOST_SPECIFIC_WINS = "most_specific_wins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Governs:
    """Whom a policy is for. Nothing named means everyone."""

    agents: tuple[str, ...] = (ANYTHING,)
    environments: tuple[str, ...] = ()
    side: Side | None = None
    """Which side of a call it speaks for; None means caller and callee. BOUNDARY exactly when it governs boundaries."""
    boundaries: tuple[str, ...] = ()
    """The boundaries it is for; it says nothing about agents then."""


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
    obligations: tuple[Obligation, ...] = ()
    """What has to be done with a call it lets through, ordered by type and id; none when the effect is DENY."""
    reason: str | None = None
    priority: int = 0
    """What comes first has more; other than 0 only where the policy goes by it."""
    place: Place
    when_place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy as written."""

    name: str
    governs: Governs = field(default_factory=Governs)
    algorithm: Algorithm = Algorithm.DENY_OVERRIDES
    rules: tuple[Rule, ...]
    min_caller_ring: int | None = None
    """The least trusted ring in which a caller may be, where this policy speaks for the callee."""
    limits: tuple[WrittenLimit, ...] = ()
    filters: tuple[WrittenFilter, ...] = ()
    place: Place

    @property
    def only_filters(self) -> bool:
        """Whether it says nothing of who may do what: then it has no say of its own where sides have to decide."""
        return not self.rules and not self.limits and self.min_caller_ring is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Rules content filters match by, as written; their examples have been tried."""

    rules: tuple[FilterRule, ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The documents of a file, or of all files of a bundle."""

    policies: tuple[Policy, ...]
    ring_requirements: tuple[RingRequirement, ...]
    names: tuple[tuple[str, Place], ...]
    """Of every document, and where it is called so."""
    packs: tuple[Pack, ...] = ()
    """The bundle's own rules of content filters."""

    @property
    def filter_rules(self) -> tuple[FilterRule, ...]:
        """The rules of all packs."""
        return tuple(rule for pack in self.packs for rule in pack.rules)


def read_policies(files: Iterable[PolicyFile], report: Report) -> Policies:
    """Read every document; what is wrong goes into the report."""
    return together([read_file(file, report) for file in files], report)


def together(parts: Sequence[Policies], report: Report) -> Policies:
    """Return the documents of several files as one; what they contradict one another in is noted."""
    names: set[str] = set()
    for part in parts:
        for name, place in part.names:
            if name in names:
                report.add(place, f"another document of this bundle is called {name!r}", "give each its own name")
            names.add(name)
    policies = tuple(policy for part in parts for policy in part.policies)
    if sum(len(policy.rules) for policy in policies) > RULES_MAX:
        report.add(policies[-1].place, f"the bundle has more than {RULES_MAX} rules")
    packs = tuple(pack for part in parts for pack in part.packs)
    _check_packs(packs, report)
    return Policies(
        policies=policies,
        ring_requirements=tuple(row for part in parts for row in part.ring_requirements),
        names=tuple(pair for part in parts for pair in part.names),
        packs=packs,
    )


def _check_packs(packs: Sequence[Pack], report: Report) -> None:
    """Note rules of one pack that are called like those of another; within one it was noted where it was read."""
    known: set[str] = set()
    for pack in packs:
        ids = [rule.id for rule in pack.rules]
        for id_ in sorted(known.intersection(ids)):
            report.add(pack.place, f"a rule of another pack of this bundle is called {id_!r}", "give each its own id")
        known.update(ids)
    if len(known) > FILTER_RULES_MAX:
        report.add(packs[-1].place, f"the bundle has more than {FILTER_RULES_MAX} rules of content filters")


def read_file(file: PolicyFile, report: Report, breathe: Callable[[], None] = nothing_more) -> Policies:
    """Read the documents of one file; what is wrong goes into the report. `breathe` is called every now and then."""
    policies: list[Policy] = []
    requirements: list[RingRequirement] = []
    names: list[tuple[str, Place]] = []
    packs: list[Pack] = []
    for document in _documents(file, report, breathe):
        fields = document.fields(required=("apiVersion", "kind", "metadata", "spec"))
        fields["apiVersion"].one_of(API_VERSION)
        view = fields["metadata"].fields(required=("name",))["name"]
        name = view.text(NAME, NAME_SHAPE)
        if name:
            names.append((name, view.place))
        match fields["kind"].one_of("Policy", "RingGate", "FilterRules"):
            case "RingGate":
                requirements.extend(_ring_requirements(fields["spec"]))
            case "FilterRules":
                packs.append(_pack(name, fields["spec"], breathe))
            case _:
                policies.append(_policy(name, fields["spec"], breathe))
    return Policies(
        policies=tuple(policies), ring_requirements=tuple(requirements), names=tuple(names), packs=tuple(packs)
    )


def _documents(file: PolicyFile, report: Report, breathe: Callable[[], None]) -> list[View]:
    try:
        roots = read(file.content, breathe)
    except YamlInvalid as error:
        report.add(Place(file.path, error.mark, ""), error.problem, error.remedy)
        return []
    if not roots:
        report.add(Place(file.path, Mark(1, 1), ""), "the file is empty", "leave it out")
    return [View(file.path, root, root.mark, "", report) for root in roots]


def _pack(name: str, spec: View, breathe: Callable[[], None]) -> Pack:
    # Imported where a bundle has a pack: most have none, and the built-in rules take a while to read.
    from ringfence_pdp.filters.builtin import builtin_ids  # noqa: PLC0415 - see above
    from ringfence_pdp.filters.packs import read_rules  # noqa: PLC0415 - see above

    return Pack(rules=read_rules(spec, pack=name, taken=builtin_ids(), breathe=breathe), place=spec.place)


def _policy(name: str, spec: View, breathe: Callable[[], None]) -> Policy:
    says = ("presets", "rules", "min_caller_ring", "limits", "filters")
    fields = spec.fields(required=(), optional=("governs", "algorithm", *says))
    if not any(fields[name].present for name in says):
        spec.wrong("says nothing", "give rules, presets, limits, filters or min_caller_ring")
    governs = _governs(fields["governs"])
    algorithm = _algorithm(fields["algorithm"])
    names: set[str] = set()
    expanded = expand_presets(fields["presets"])
    rules = (*fields["rules"].items(at_most=RULES_MAX), *expanded.rules)
    limits = (*fields["limits"].items(at_most=LIMITS_MAX), *expanded.limits)
    filters = (*fields["filters"].items(at_most=FILTERS_MAX), *expanded.filters)
    if governs.boundaries:
        for limit in limits:
            limit.wrong("a boundary counts nothing", "put limits into a policy that governs agents")
    return Policy(
        name=name,
        governs=governs,
        algorithm=algorithm,
        rules=tuple(_rule(item, names, algorithm, breathe) for item in rules),
        min_caller_ring=_min_caller_ring(fields["min_caller_ring"], governs),
        limits=read_limits(limits),
        filters=read_filters(filters, names),
        place=spec.place,
    )


def _min_caller_ring(view: View, governs: Governs) -> int | None:
    if governs.side is Side.CALLER:
        view.wrong("whoever calls says nothing about who calls it", "leave it out, or write side: callee")
    return view.integer(0, LEAST_TRUSTED_RING) if view.present else None


def _governs(view: View) -> Governs:
    fields = view.fields(required=(), optional=("agents", "environments", "side", "boundaries"))
    word = fields["side"].one_of(*(side.word for side in Side))
    side = next((one for one in Side if one.word == word), None)
    boundaries = tuple(map(boundary, several(fields["boundaries"])))
    if fields["boundaries"].present:
        fields["agents"].wrong("a policy is for agents or for boundaries, not for both", "make two of it")
        if side not in (None, Side.BOUNDARY):
            fields["side"].wrong("a boundary is neither caller nor callee", "write side: boundary, or leave it out")
        side = Side.BOUNDARY
    elif side is Side.BOUNDARY:
        fields["side"].wrong("names no boundary", "write boundaries: ['namespaces/data/boundaries/partners']")
    return Governs(
        agents=tuple(map(agent, several(fields["agents"]))) or (ANYTHING,),
        environments=tuple(map(environment, several(fields["environments"]))),
        side=side,
        boundaries=boundaries,
    )


def _algorithm(view: View) -> Algorithm:
    word = view.one_of(*(algorithm.value for algorithm in Algorithm))
    return next((one for one in Algorithm if one.value == word), Algorithm.DENY_OVERRIDES)


def _priority(view: View, algorithm: Algorithm) -> int:
    if algorithm is not Algorithm.PRIORITY_FIRST_MATCH:
        view.wrong(
            "the order of rules means nothing here", "write algorithm: priority_first_match in spec, or leave it"
        )
        return 0
    return view.integer(-PRIORITY_MAX, PRIORITY_MAX) if view.present else 0


def _rule(view: View, names: set[str], algorithm: Algorithm, breathe: Callable[[], None]) -> Rule:
    breathe()
    fields = view.fields(
        required=("name", "match", "effect"), optional=("when", "approval", "obligations", "reason", "priority")
    )
    match = selected(fields["match"])
    effect = _EFFECTS.get(fields["effect"].one_of(*_EFFECTS), Effect.DENY)
    return Rule(
        name=new_name(fields["name"], names, "rule of this policy"),
        effect=effect,
        actions=match.actions,
        tools=match.tools,
        when=fields["when"].text(shape="a condition", at_most=SOURCE_MAX) or None,
        approval=_approval(view, fields["approval"], effect),
        obligations=read_obligations(fields["obligations"], effect),
        reason=fields["reason"].text(REASON, REASON_SHAPE) or None,
        priority=_priority(fields["priority"], algorithm),
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
    return read_approval(approval)


def _ring_requirements(spec: View) -> list[RingRequirement]:
    rows: list[RingRequirement] = []
    for item in spec.fields(required=("requirements",))["requirements"].items(at_most=REQUIREMENTS_MAX):
        fields = item.fields(required=("actions", "ring"))
        ring = fields["ring"].integer(0, 2)
        for view in several(fields["actions"]):
            actions = view.text(ACTION, ACTION_SHAPE)
            needed = loosest_class(actions).value
            if actions and ring >= needed:
                view.wrong(
                    f"{actions!r} needs ring {needed} anyway", f"ring {ring} is not stricter: lower it or leave it out"
                )
            rows.append(RingRequirement(actions, ring))
    return rows
