"""Policies made to take long, take much or take the compiler down: each gets a clear answer, or is as fast as any."""

import pytest
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.decide import decide
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.model import Effect
from support.pdp.world import ask, basis, bundle, policy

HEAD = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n"


def refused(content: str) -> str:
    with pytest.raises(BundleInvalid) as caught:
        compile_files([PolicyFile(path="p.yaml", content=content.encode())])
    first = caught.value.violations[0]
    assert first.field.startswith("p.yaml:")
    return first.problem


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_five_hundred_deep(opening: str) -> None:
    assert "nested too deeply" in refused(HEAD + "  rules: " + ("[" + opening * 499 if opening != "- " else "[" * 500))


def test_properties_five_hundred_deep() -> None:
    deep = "{a: " * 500 + "1" + "}" * 500
    rule = f"{{name: r, match: {{actions: ['*']}}, effect: ALLOW, obligations: [{{type: log, properties: {deep}}}]}}"
    assert "nested too deeply" in refused(policy(rule))


def test_ten_thousand_rules_decide_as_one_does() -> None:
    rules = [f"{{name: r{n}, match: {{actions: [read_{n}]}}, effect: ALLOW}}" for n in range(10_000)]
    compiled = bundle(policy(*rules))
    assert decide(basis(compiled), ask("read_9999")).verdict.rules == ("p/r9999",)
    assert decide(basis(compiled), ask("read_10000")).effect is Effect.DENY


def test_a_regular_expression_that_takes_others_years() -> None:
    rule = "{name: r, match: {actions: ['*']}, effect: ALLOW, when: \"args.text.matches('^(a+)+$')\"}"
    compiled = bundle(policy(rule))
    arguments = {"text": "a" * 60_000 + "!"}
    assert decide(basis(compiled), ask(arguments=arguments)).reason.name == "NO_MATCH"


@pytest.mark.parametrize("pattern", ["(?=a)b", "(a)\\\\\\\\1", "(?P<n>", "a{1001}", "((a{100}){100}){100}"])
def test_a_regular_expression_nobody_can_bound_is_refused(pattern: str) -> None:
    told = refused(
        policy(f"{{name: r, match: {{actions: ['*']}}, effect: ALLOW, when: \"args.t.matches('{pattern}')\"}}")
    )
    assert "condition" in told


def test_going_through_lists_for_each_element_of_lists() -> None:
    pairs = "args.a.all(x, args.b.all(y, args.c.all(z, x == y && y == z)))"
    told = refused(policy(f"{{name: r, match: {{actions: ['*']}}, effect: DENY, when: '{pairs}'}}"))
    assert "units, 300000 are allowed" in told


def test_a_preset_is_not_a_way_around_bounds() -> None:
    many = ", ".join(f"a{n}" for n in range(65))
    assert "has 65 items" in refused(HEAD + f"  presets:\n    - require_approval([{many}], 1, 30m)\n")
    assert "is not a preset" in refused(HEAD + f"  presets:\n    - {'rate_limit(' * 900}\n")


def test_the_same_alias_a_billion_times() -> None:
    laughs = "a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"
    assert "anchors and aliases are not allowed" in refused(laughs)
