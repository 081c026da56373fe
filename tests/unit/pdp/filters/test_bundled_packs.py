"""A bundle's own rules of content: they decide, are tried and are taken back like any policy."""

import pytest
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import BundleCompiler, compile_files
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.decide import decide
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.explain import explain
from ringfence_pdp.filters.builtin import builtin_rules
from ringfence_pdp.filters.finding import Kind
from ringfence_pdp.model import Decision, Stage
from support.pdp.filtering import PATTERNS, filters
from support.pdp.world import ALLOW_ALL, ask, basis, bundle

PACK = r"""
apiVersion: ringfence.dev/v1
kind: FilterRules
metadata: {name: acme}
spec:
  rules:
    - id: acme.ticket-number
      category: exfiltration
      severity: high
      pattern: '(?i)\bACME-[0-9]{6}\b'
      message: a ticket number of Acme leaves the house
      examples: {matches: [ACME-123456, 'see ACME-000001', acme-999999], passes: [ACME-12, ACME, a ticket]}
"""


def decided(compiled: CompiledBundle, text: str) -> Decision:
    return decide(basis(compiled), ask(arguments={"body": text}))


@pytest.mark.parametrize(
    "text",
    ["please see ACME-123456", "please see \uff21\uff23\uff2d\uff25-123456", "%41CME-123456", "QUNNRS0xMjM0NTY="],
)
def test_its_rules_are_found_in_every_reading(text: str) -> None:
    decision = decided(bundle(ALLOW_ALL, PACK, filters(PATTERNS)), text)
    assert f"{decision.effect.name} {decision.reason.name}" == "DENY CONTENT_DANGEROUS"
    found = next(finding for finding in decision.findings if finding.id == "acme.ticket-number")
    assert (found.kind, found.argument) == (Kind.RULE, "/body")
    assert "a ticket number of Acme leaves the house (acme.ticket-number at /body)" in decision.verdict.message


def test_its_rules_say_nothing_where_no_policy_filters() -> None:
    assert decided(bundle(ALLOW_ALL, PACK), "see ACME-123456").findings == ()


def test_other_bundles_do_not_have_them() -> None:
    assert decided(bundle(ALLOW_ALL, filters(PATTERNS)), "see ACME-123456").findings == ()


def test_explaining_says_what_filters_say() -> None:
    compiled = bundle(ALLOW_ALL, PACK, filters(PATTERNS))
    for text, said in (
        ("see ACME-123456", "DENY filter guard/content denies it: a ticket number of Acme leaves the house"),
        ("see the minutes", "ALLOW guard/content found nothing"),
    ):
        explanation = explain(basis(compiled), ask(arguments={"body": text}))
        stage = next(verdict for verdict in explanation.stages if verdict.stage is Stage.FILTERS)
        assert f"{stage.effect.name} {stage.message}".startswith(said)
        assert explanation.decision == decided(compiled, text)
        assert bool(explanation.nearest_misses) is (stage.effect.name == "DENY")


def test_a_rule_called_like_a_built_in_one_is_refused() -> None:
    taken = builtin_rules()[0].id
    with pytest.raises(BundleInvalid, match="another rule is called"):
        bundle(ALLOW_ALL, PACK.replace("acme.ticket-number", taken))


def test_packs_count_together() -> None:
    rule = PACK.partition("  rules:\n")[2]
    many = "".join(rule.replace("acme.ticket-number", f"acme.n{place}") for place in range(450))
    packs = [PACK.replace("name: acme", f"name: a{pack}").partition("  rules:\n")[0] for pack in range(5)]
    texts = [f"{head}  rules:\n{many.replace('acme.n', f'acme{pack}.n')}" for pack, head in enumerate(packs)]
    with pytest.raises(BundleInvalid, match="more than 2000 rules of content filters"):
        bundle(ALLOW_ALL, *texts)


def test_a_pack_that_did_not_change_is_not_read_again() -> None:
    compiler = BundleCompiler()
    files = [PolicyFile(path=f"{place}.yaml", content=text.encode()) for place, text in enumerate((ALLOW_ALL, PACK))]
    before = compiler.compile_files(files).engines.rules
    again = compiler.compile_files([*files, PolicyFile(path="g.yaml", content=filters(PATTERNS).encode())])
    assert again.engines.rules[0] is before[0]
    assert again.findings == compile_files(files).findings == ()
