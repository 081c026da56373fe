"""Tests of policies: what they can ask and expect, what a failing one says, and which rules none of them would miss."""

import textwrap
from pathlib import Path

import pytest
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.policy_tests.coverage import Report, run_tests
from ringfence_pdp.policy_tests.running import run

HERE = Path(__file__).parents[2] / "golden" / "pdp" / "policy_tests"
POLICY = (HERE / "guardrails.yaml").read_text()
TESTS = (HERE / "guardrails_test.yaml").read_text()

HEAD = TESTS[: TESTS.index("    - name")]


def compiled(*tests: str, policy: str = POLICY) -> CompiledBundle:
    written = HEAD + "".join(f"    - {test}\n" for test in tests)
    return compile_files(
        [
            PolicyFile(path="guardrails.yaml", content=policy.encode()),
            PolicyFile(path="guardrails_test.yaml", content=written.encode()),
        ]
    )


def report(*tests: str, policy: str = POLICY, coverage: bool = False) -> Report:
    bundle = compiled(*tests, policy=policy)
    return run_tests(bundle.tests, bundle, coverage=coverage)


def problems(test: str) -> tuple[str, ...]:
    bundle = compiled(test)
    (only,) = bundle.tests
    return run(only, bundle).problems


def test_what_is_so_passes() -> None:
    bundle = compile_files([PolicyFile(path=one.name, content=one.read_bytes()) for one in HERE.glob("*.yaml")])
    told = run_tests(bundle.tests, bundle, coverage=True)
    assert [f"{result.test.name}: {result.problems}" for result in told.results if not result.passed] == []
    assert (len(told.results), told.unkilled) == (22, ())


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (
            "{name: a, ask: {agent: analyst, action: read_x}, expect: {effect: DENY, rules: []}}",
            [
                "expected effect DENY, got ALLOW: rule guardrails/read allows it",
                "expected rules none, got guardrails/read: rule guardrails/read allows it",
            ],
        ),
        (
            "{name: a, ask: {agent: analyst, action: write_x}, expect: {effect: DENY, reason: RULE_DENIED}}",
            ["expected reason RULE_DENIED, got NO_MATCH: no rule permits write_x"],
        ),
        (
            "{name: a, ask: {agent: analyst, action: read_x}, expect: {effect: ALLOW, obligations: [log]}}",
            ["expected obligations log, got log, redact/pii"],
        ),
        (
            "{name: a,counters: {guardrails/rates: 1}, ask: {agent: analyst, action: read_x}, expect: {effect: ALLOW}}",
            ["there is no limit 'guardrails/rates' to count"],
        ),
        (
            "{name: a,counters: {guardrails/rate: 11}, ask: {agent: analyst, action: read_x}, expect: {effect: ALLOW}}",
            ["expected effect ALLOW, got DENY: the test says that 11 of guardrails/rate are used, and there are only"],
        ),
    ],
)
def test_what_is_not_so_is_told(test: str, told: list[str]) -> None:
    found = problems(test)
    assert len(found) == len(told)
    assert all(problem.startswith(wanted) for problem, wanted in zip(found, told, strict=True))


def test_results_come_in_the_order_they_are_written() -> None:
    names = [f"{{name: t{n}, ask: {{agent: analyst, action: read_x}}, expect: {{effect: ALLOW}}}}" for n in (3, 1, 2)]
    assert [result.test.name for result in report(*names).results] == ["t3", "t1", "t2"]


READS = "{name: reads, ask: {agent: analyst, action: read_x}, expect: {effect: ALLOW}}"
INTERN = "{name: intern, ask: {agent: intern, action: read_x}, expect: {effect: DENY}}"
DELETES = "{name: deletes, ask: {agent: analyst, action: delete_x}, expect: {effect: REQUIRE_APPROVAL}}"


def test_rules_that_no_test_would_miss_are_listed() -> None:
    told = report(READS, INTERN, coverage=True)
    assert told.unkilled == ("guardrails/delete", "guardrails/export", "guardrails/night")
    assert (told.failed, told.rule_count) == (0, 5)
    assert report(READS, INTERN, DELETES, coverage=True).unkilled == ("guardrails/export", "guardrails/night")


def test_a_test_that_fails_misses_nothing() -> None:
    wrong = READS.replace("ALLOW", "DENY")
    assert "guardrails/read" in (report(wrong, coverage=True).unkilled or ())


def test_a_rule_that_another_one_repeats_is_not_missed() -> None:
    twin = POLICY.replace(
        "    - {name: read,", "    - {name: twin, match: {actions: ['read_*']}, effect: ALLOW}\n    - {name: read,"
    )
    assert {"guardrails/read", "guardrails/twin"} <= set(report(READS, policy=twin, coverage=True).unkilled or ())


def test_without_coverage_nothing_is_taken_away() -> None:
    assert report(READS).unkilled is None


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        (["{name: a, ask: {agent: nobody, action: read_x}, expect: {effect: ALLOW}}"], "there is no agent 'nobody'"),
        (["{name: a, ask: {agent: analyst, action: read_x}}"], "'expect' is missing"),
        (["{name: a, ask: {agent: analyst, action: READ}, expect: {effect: ALLOW}}"], "is not an action"),
        (["{name: a, ask: {agent: analyst, action: read_x}, expect: {effect: MAYBE}}"], "'MAYBE' is not known"),
        (
            ["{name: a, ask: {agent: analyst, action: read_x}, expect: {effect: DENY, reason: BECAUSE}}"],
            "is not a reason",
        ),
        (["{name: a, ask: {agent: analyst, action: read_x}, expects: {effect: DENY}}"], "there is no field 'expects'"),
        (["{name: a, now: noon, ask: {agent: analyst, action: read_x}, expect: {effect: DENY}}"], "RFC 3339"),
        ([READS, READS], "another test of this document is called 'reads'"),
    ],
)
def test_a_test_that_cannot_be_read_is_refused_with_the_bundle(tests: list[str], told: str) -> None:
    with pytest.raises(BundleInvalid, match=told) as caught:
        compiled(*tests)
    assert all(violation.field.startswith("guardrails_test.yaml:") for violation in caught.value.violations)


def test_tests_are_no_policies() -> None:
    bundle = compiled(READS)
    assert (bundle.policy_count, bundle.rule_count, len(bundle.tests)) == (1, 5, 1)


def test_what_is_sent_is_json_as_a_gateway_sends_it() -> None:
    text = textwrap.dedent(POLICY).replace(
        "args.rows > 1000", "args.rows == 5.0 && args.flag == true && args.text == '5'"
    )
    args = "{rows: 5, flag: true, text: '5', more: [1, {a: 2}]}"
    asking = f"{{agent: analyst, action: read_x, tool: warehouse.export, args: {args}}}"
    told = report(f"{{name: a, ask: {asking}, expect: {{effect: DENY, rule_reason: TOO_LARGE}}}}", policy=text)
    assert told.failed == 0


GUARDED = """
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: guard}
spec:
  rules: [{name: all, match: {actions: ['*']}, effect: ALLOW}]
  filters:
    - {name: content, use: patterns}
    - {name: whence, use: origin}
    - {name: elsewhere, use: remote, classifier: guard, match: {actions: ['write_*']}}
---
apiVersion: ringfence.dev/v1
kind: FilterRules
metadata: {name: acme}
spec:
  rules:
    - id: acme.ticket
      category: exfiltration
      severity: high
      pattern: 'ACME-[0-9]{6}'
      message: a ticket of Acme
      examples: {matches: [ACME-123456, a ACME-123456, ACME-000000 b], passes: [ACME, a, b]}
"""

CONTENT_TESTS = """
apiVersion: ringfence.dev/v1
kind: PolicyTest
metadata: {name: content}
spec:
  agents:
    analyst: {name: namespaces/data/agents/analyst-1, ring: 1}
  tools:
    mail.send: {external_sink: true, effects: irreversible, types: {/body: free_text}}
  tests:
    - name: a ticket does not leave
      ask: {agent: analyst, action: read_x, args: {body: 'see ACME-123456'}}
      expect: {effect: DENY, reason: CONTENT_DANGEROUS, rules: [guard/content], findings: [acme.ticket]}
    - name: what a tool returned is looked at by a person
      ask: {agent: analyst, action: reply, tool: mail.send, args: {body: hello}, origins: {/body: tool_output}}
      expect: {effect: REQUIRE_APPROVAL, reason: ORIGIN_UNTRUSTED, findings: [origin.mail]}
    - name: what the user says is not
      ask: {agent: analyst, action: reply, tool: mail.send, args: {body: hello}, origins: {'': user}}
      expect: {effect: ALLOW, findings: []}
    - name: a classifier says no
      ask: {agent: analyst, action: write_x, classifiers: {guard: high}}
      expect: {effect: DENY, reason: CONTENT_DANGEROUS}
    - name: a classifier is away
      ask: {agent: analyst, action: write_x, classifiers: {guard: failed}}
      expect: {effect: DENY, reason: FILTER_FAILED, findings: [remote.guard.failed]}
    - name: a classifier finds nothing
      ask: {agent: analyst, action: write_x, classifiers: {guard: nothing}}
      expect: {effect: ALLOW}
"""


def content_report(tests: str) -> Report:
    bundle = compile_files(
        [
            PolicyFile(path="guard.yaml", content=GUARDED.encode()),
            PolicyFile(path="guard_test.yaml", content=tests.encode()),
        ]
    )
    return run_tests(bundle.tests, bundle, coverage=True)


def test_tests_ask_with_content_and_expect_findings() -> None:
    told = content_report(CONTENT_TESTS)
    assert [f"{result.test.name}: {result.problems}" for result in told.results if not result.passed] == []
    assert (told.rule_count, told.unkilled) == (4, ())


def test_a_finding_that_is_not_there_is_told_and_a_filter_no_test_would_miss_too() -> None:
    told = content_report(CONTENT_TESTS.replace("findings: [acme.ticket]", "findings: []").replace("guard: ", "x: "))
    (first, *_) = [result.problems for result in told.results]
    assert [problem.partition(":")[0] for problem in first] == ["expected findings none, got acme.ticket"]
    assert told.unkilled is not None
    assert "guard/elsewhere" in told.unkilled


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("guard: high", "guard: bad", "'bad' is not known"),
        ("/body: tool_output", "/body: tool", "'tool' is not known"),
        ("/body: free_text", "/body: prose", "'prose' is not known"),
        ("effects: irreversible", "effects: bad", "'bad' is not known"),
        ("external_sink: true", "external_sink: 'yes'", "'yes' is not known"),
    ],
)
def test_what_is_wrong_with_content_of_a_test_is_told(right: str, wrong: str, told: str) -> None:
    with pytest.raises(BundleInvalid, match=told):
        content_report(CONTENT_TESTS.replace(right, wrong))
