"""The schema for editors: what the reader accepts it accepts, and a slip of the pen it underlines."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from ringfence_pdp.policy_schema import policy_schema
from ringfence_pdp.presets.catalog import PRESETS
from support.pdp.world import bundle

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "pdp"
ACCEPTED = [*sorted((ROOT / "services").rglob("examples/**/*.yaml")), GOLDEN / "policy_tests" / "guardrails.yaml"]
STORIES = sorted((GOLDEN / "decisions").glob("*.yaml"))

SCHEMA = jsonschema_rs.validator_for(policy_schema())

POLICY = """
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: p}
spec:
  governs: {agents: [ns/data/agents/analyst-*], environments: [prod], side: callee}
  algorithm: priority_first_match
  min_caller_ring: 1
  presets: [read_only, {spend_cap: {usd: 5, per: team}}]
  rules:
    - {name: r, match: {actions: ['read_*'], tools: [warehouse.query]}, effect: ALLOW, when: "args.a < 5", priority: 3}
    - name: q
      match: {actions: ['*']}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 2, approvers: ['group:oncall'], timeout: 30m, deny_ends: true}
      obligations: [{type: redact, id: pii, properties: {fields: [email]}}]
  limits:
    - {name: a, rate: 100/1m, burst: 5, per: agent, match: {actions: ['read_*']}}
    - {budget: {tokens: 2M, usd: 50, requests: 7}, window: 1d, per: team, alert_at: [0.5, 0.8]}
  filters:
    - name: content
      use: patterns
      match: {tools: ['mail.*']}
      actions: {high: DENY, medium: FLAG, low: IGNORE}
      on_error: REQUIRE_APPROVAL
      approval: {approvers: ['group:security']}
      ignore: [sql.comment, 'category:fraud']
    - {name: wants, use: intent, thresholds: {high: 0.0001, medium: 0.001}}
    - {name: from, use: origin, unknown: untrusted}
    - {name: elsewhere, use: remote, classifier: guard}
"""


PACK = r"""
apiVersion: ringfence.dev/v1
kind: FilterRules
metadata: {name: acme}
spec:
  rules:
    - id: acme.ticket-number
      category: exfiltration
      severity: high
      types: [free_text, code]
      views: [plain, decoded, spaced]
      pattern: '(?i)\bACME-[0-9]{6}\b'
      message: a ticket number of Acme leaves the house
      examples: {matches: [ACME-123456, 'see ACME-000001', acme-999999], passes: [ACME-12, ACME, a ticket]}
"""


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def test_everything_a_policy_can_say_is_known() -> None:
    bundle(POLICY)
    assert [SCHEMA.is_valid(document) for document in documents(POLICY)] == [True]


def test_everything_a_pack_can_say_is_known() -> None:
    assert [rule.id for rule in bundle(PACK).engines.rules] == ["acme.ticket-number"]
    assert [SCHEMA.is_valid(document) for document in documents(PACK)] == [True]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("severity: high", "severity: 3"),
        ("category: exfiltration", "category: spying"),
        ("[free_text, code]", "[text]"),
        ("spaced]", "upper]"),
        ("acme.ticket-number", "Acme_Ticket"),
        ("[ACME-12, ACME, a ticket]", "[ACME-12]"),
    ],
)
def test_a_slip_of_the_pen_in_a_pack_is_underlined(right: str, wrong: str) -> None:
    assert right in PACK
    assert not any(SCHEMA.is_valid(document) for document in documents(PACK.replace(right, wrong)))


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_policies_that_are_given_as_examples_are_valid(path: Path) -> None:
    kinds = {"Policy", "RingGate"}
    found = [one for one in documents(path.read_text()) if isinstance(one, dict) and one.get("kind") in kinds]
    assert all(SCHEMA.is_valid(document) for document in found)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_policies_that_decide_in_stories_are_valid(path: Path) -> None:
    assert all(SCHEMA.is_valid(one) for one in documents(yaml.safe_load(path.read_text())["policies"]))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_are_valid_as_they_are_called(preset: Any) -> None:
    text = (
        f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: p}}\nspec:\n  presets:\n  - {preset.example}\n"
    )
    bundle(text)
    assert all(SCHEMA.is_valid(document) for document in documents(text))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("effect: ALLOW", "effect: allow"),
        ("effect: ALLOW", "effekt: ALLOW"),
        ("'read_*'", "'READ_*'"),
        ("'group:oncall'", "oncall"),
        ("100/1m", "100 per minute"),
        ("min_caller_ring: 1", "min_caller_ring: 4"),
        ("per: team", "per: day"),
        ("algorithm: priority_first_match", "algorithm: first"),
        ("presets: [read_only", "presets: [readonly"),
        ("min_approvals: 2", "min_approvals: 0"),
        (", window: 1d", ""),
        ("side: callee", "side: both"),
        ("use: patterns", "use: regex"),
        ("low: IGNORE", "low: ALLOW"),
        ("on_error: REQUIRE_APPROVAL", "on_error: IGNORE"),
        ("'category:fraud'", "'CATEGORY:fraud'"),
        ("use: intent, t", "use: origin, t"),
        ("high: 0.0001", "high: 0.5"),
        ("use: remote, classifier: guard", "use: remote"),
        ("unknown: untrusted", "unknown: false"),
        ("      approval: {", "      aproval: {"),
        ("kind: Policy", "kind: Policies"),
        ("metadata: {name: p}", "metadata: {name: P}"),
    ],
)
def test_a_slip_of_the_pen_is_underlined(right: str, wrong: str) -> None:
    assert right in POLICY
    assert not any(SCHEMA.is_valid(document) for document in documents(POLICY.replace(right, wrong)))
