"""The JSON Schema of policy files (draft 2020-12), so that editors complete and check them while they are written.

It says what fields there are and what shape their values have, from the same patterns and bounds the reader uses. What
only a compiler finds out (a condition that compares a text with a number, a rule that can never match) it does not say.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ringfence_pdp.cel.tokens import SOURCE_MAX
from ringfence_pdp.filters.filter_rule import CATEGORIES, ViewKind
from ringfence_pdp.filters.finding import ArgumentType, Severity
from ringfence_pdp.filters.packs import EXAMPLES_MAX, EXAMPLES_MIN, RULE_ID
from ringfence_pdp.filters.packs import RULES_MAX as PACK_RULES_MAX
from ringfence_pdp.filters.rule_set import PATTERN_MAX
from ringfence_pdp.limit import LimitPer
from ringfence_pdp.model import Effect, Side
from ringfence_pdp.policy import (
    API_VERSION,
    PRIORITY_MAX,
    REASON,
    REQUIREMENTS_MAX,
    RULES_MAX,
    Algorithm,
)
from ringfence_pdp.policy_approval import APPROVALS_MAX, GROUP
from ringfence_pdp.policy_fields import ACTION, NAME, SELECTORS_MAX, TOOL
from ringfence_pdp.policy_filters import ACTIONS, FILTERS_MAX, IGNORE, IGNORED, IGNORED_MAX, P_VALUE_MAX, FilterUse
from ringfence_pdp.policy_limits import ALERTS_MAX, AMOUNT, BURST_MAX, LIMITS_MAX, RATE
from ringfence_pdp.policy_obligations import ID, OBLIGATIONS_MAX, TYPE
from ringfence_pdp.presets.catalog import PRESETS
from ringfence_pdp.presets.expanding import PRESETS_MAX

Schema: TypeAlias = dict[str, Any]

ID_OF_SCHEMA = "https://ringfence.dev/schemas/policy-v1.json"


def policy_schema() -> Schema:
    """Return the schema of one document of a policy file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID_OF_SCHEMA,
        "title": "Ringfence policy",
        "oneOf": [
            _document("Policy", _policy()),
            _document("RingGate", _ring_gate()),
            _document("FilterRules", _filter_rules()),
        ],
        "$defs": _PARTS,
    }


def _document(kind: str, spec: Schema) -> Schema:
    named = _object({"name": _text(NAME.pattern, "Unique in the bundle.")}, required=["name"])
    fields = {"apiVersion": {"const": API_VERSION}, "kind": {"const": kind}, "metadata": named, "spec": spec}
    return {"title": kind, **_object(fields, required=list(fields))}


def _policy() -> Schema:
    return _object(
        {
            "governs": _ref("governs"),
            "algorithm": {
                "enum": [algorithm.value for algorithm in Algorithm],
                "description": "How the rules of this policy are combined. Across policies any denial denies.",
            },
            "presets": _list(_ref("preset"), PRESETS_MAX, "Rules, limits and filters everybody writes, by name."),
            "rules": _list(_ref("rule"), RULES_MAX),
            "limits": _list(_ref("limit"), LIMITS_MAX, "Rates and budgets."),
            "filters": _list(_ref("filter"), FILTERS_MAX, "What looks at the content of calls."),
            "min_caller_ring": {
                **_whole(0, 3),
                "description": "The least trusted ring in which a caller may be, where this policy is for the callee.",
            },
        },
        minProperties=1,
    )


def _ring_gate() -> Schema:
    row = _object({"actions": _ref("actions"), "ring": _whole(0, 2)}, required=["actions", "ring"])
    return _object({"requirements": _list(row, REQUIREMENTS_MAX)}, required=["requirements"])


def _filter_rules() -> Schema:
    examples = {**_list({"type": "string", "minLength": 1}, EXAMPLES_MAX), "minItems": EXAMPLES_MIN}
    rule = _object(
        {
            "id": _text(RULE_ID.pattern, "Unique in the bundle, and no id of a rule that is built in."),
            "category": {"enum": list(CATEGORIES)},
            "severity": {"enum": [severity.word for severity in reversed(Severity)]},
            "types": {
                **_list(
                    {"enum": [type_.word for type_ in ArgumentType]}, len(ArgumentType), "Left out: all but secret."
                ),
                "uniqueItems": True,
            },
            "pattern": {"type": "string", "minLength": 1, "maxLength": PATTERN_MAX, "description": "RE2."},
            "views": {
                **_list({"enum": [kind.word for kind in ViewKind]}, len(ViewKind), "Left out: plain and decoded."),
                "uniqueItems": True,
            },
            "message": {"type": "string", "minLength": 1, "description": "What a match means, in a sentence."},
            "examples": _object({"matches": examples, "passes": examples}, required=["matches", "passes"]),
        },
        required=["id", "category", "severity", "pattern", "message", "examples"],
    )
    return _object({"rules": _list(rule, PACK_RULES_MAX)}, required=["rules"])


def _object(properties: Mapping[str, Schema], *, required: Sequence[str] = (), **more: Any) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": dict(properties), "additionalProperties": False, **needed, **more}


def _list(items: Schema, most: int, description: str = "") -> Schema:
    told = {"description": description} if description else {}
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most, **told}


def _text(pattern: str, description: str = "") -> Schema:
    told = {"description": description} if description else {}
    return {"type": "string", "pattern": f"^(?:{pattern})$", **told}


def _whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _selectors(pattern: str, description: str) -> Schema:
    return {**_list(_text(pattern), SELECTORS_MAX, description), "uniqueItems": True}


_RESOURCE = r"\*|(namespaces|ns)/[a-z0-9*-]{1,64}(/[a-z]*(/[a-z0-9-]*)?)?\*?"
_AMOUNT = {"oneOf": [{"type": "number", "exclusiveMinimum": 0}, _text(AMOUNT.pattern)]}

_P_VALUE = {"type": "number", "exclusiveMinimum": 0, "maximum": P_VALUE_MAX}

_APPROVAL: Schema = {
    "min_approvals": {**_whole(1, APPROVALS_MAX), "description": "How many distinct people."},
    "approvers": _selectors(GROUP.pattern, "Groups that have to be among them, such as `group:oncall`."),
    "timeout": _ref("length"),
    "deny_ends": {"type": "boolean", "description": "One refusal ends it."},
}


def _only_of(name: str, use: FilterUse, *, needed: bool = False) -> Schema:
    """A field that one kind of filter takes, or needs, and no other."""
    return {
        "if": {"properties": {"use": {"const": use.value}}, "required": ["use"]},
        "then": {"required": [name]} if needed else True,
        "else": {"properties": {name: False}},
    }


_PARTS: Schema = {
    "actions": _selectors(ACTION.pattern, "Names of actions, or beginnings of them such as `read_*`."),
    "tools": _selectors(TOOL.pattern, "Names of tools, or beginnings of them such as `warehouse.*`."),
    "match": _object({"actions": _ref("actions"), "tools": _ref("tools")}, minProperties=1),
    "length": _text(r"(\d+(\.\d+)?(h|m|s|ms|d))+", "A length of time such as `30m` or `1d`."),
    "governs": _object(
        {
            "agents": _selectors(_RESOURCE, "Names of agents, or beginnings of them; left out: everyone."),
            "environments": _selectors(r"[a-z0-9-]{1,63}", "Left out: everywhere."),
            "side": {"enum": [side.word for side in Side], "description": "Left out: caller and callee."},
            "boundaries": _selectors(_RESOURCE, "Boundaries instead of agents."),
        }
    ),
    "rule": _object(
        {
            "name": _text(NAME.pattern, "Unique in the policy."),
            "match": _ref("match"),
            "effect": {"enum": [effect.name for effect in Effect]},
            "when": {"type": "string", "maxLength": SOURCE_MAX, "description": "A condition in CEL."},
            "approval": _ref("approval"),
            "obligations": _list(_ref("obligation"), OBLIGATIONS_MAX, "What has to be done with a call let through."),
            "reason": _text(REASON.pattern, "Sent as rule_reason."),
            "priority": _whole(-PRIORITY_MAX, PRIORITY_MAX),
        },
        required=["name", "match", "effect"],
        **{
            "if": {"properties": {"effect": {"const": Effect.REQUIRE_APPROVAL.name}}, "required": ["effect"]},
            "then": {"required": ["approval"]},
            "else": {"properties": {"approval": False}},
        },
    ),
    "approval": _object(_APPROVAL, required=["min_approvals", "timeout"]),
    "filter": _object(
        {
            "name": _text(NAME.pattern, "Unique among the rules and filters of the policy."),
            "use": {
                "enum": [use.value for use in FilterUse],
                "description": "Rules of packs; what a text wants; where it comes from; a classifier elsewhere.",
            },
            "match": _ref("match"),
            "actions": _object(
                {severity.word: {"enum": list(ACTIONS)} for severity in reversed(Severity)},
                description="What is made of findings, by how bad they are.",
                minProperties=1,
            ),
            "thresholds": _object(
                {severity.word: _P_VALUE for severity in reversed(Severity)},
                description="For intent: how rare among ordinary calls something has to be to be as bad.",
                minProperties=1,
            ),
            "on_error": {
                "enum": [action for action in ACTIONS if action != IGNORE],
                "description": "What holds when it could not look; left out: DENY.",
            },
            "approval": _object(_APPROVAL, minProperties=1),
            "ignore": {
                **_list(_text(IGNORED.pattern), IGNORED_MAX, "Rules by id, or `category:fraud`."),
                "uniqueItems": True,
            },
            "classifier": _text(NAME.pattern, "Its name in pdp.toml."),
            "unknown": {
                "enum": ["untrusted", "trusted"],
                "description": "What nobody said the origin of is taken for; left out: trusted.",
            },
        },
        required=["name", "use"],
        allOf=[
            _only_of("thresholds", FilterUse.INTENT),
            _only_of("unknown", FilterUse.ORIGIN),
            _only_of("classifier", FilterUse.REMOTE, needed=True),
        ],
    ),
    "obligation": _object(
        {"type": _text(TYPE.pattern), "id": _text(ID.pattern), "properties": {"type": "object"}}, required=["type"]
    ),
    "limit": _object(
        {
            "name": _text(NAME.pattern, "Left out: it is called by what it is, such as `rate-per-agent`."),
            "rate": _text(RATE.pattern, "So many calls in so long, such as `100/1m`."),
            "burst": {**_whole(1, BURST_MAX), "description": "How many calls at once."},
            "budget": _object({"requests": _AMOUNT, "tokens": _AMOUNT, "usd": _AMOUNT}, minProperties=1),
            "window": _ref("length"),
            "per": {"enum": [per.word for per in LimitPer]},
            "alert_at": _list({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, ALERTS_MAX),
            "match": _ref("match"),
        },
        required=["per"],
        oneOf=[
            {"required": ["rate"], "properties": {"budget": False, "window": False}},
            {"required": ["budget", "window"], "properties": {"rate": False, "burst": False}},
        ],
    ),
    "preset": {
        "oneOf": [
            {
                **_text(rf"({'|'.join(PRESETS)})(\(.*\))?"),
                "examples": [preset.example for preset in PRESETS.values()],
            },
            _object(
                {
                    preset.name: {
                        "description": preset.what,
                        **_object(
                            {
                                "name": _text(NAME.pattern),
                                **{one.name: {"description": one.what} for one in preset.parameters},
                            },
                            required=[one.name for one in preset.parameters if one.default is None],
                        ),
                    }
                    for preset in PRESETS.values()
                },
                minProperties=1,
                maxProperties=1,
            ),
        ]
    },
}
