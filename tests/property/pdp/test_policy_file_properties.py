"""Whatever is pushed as a policy is compiled or refused with a place; nothing else ever happens."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import compile_files
from ringfence_pdp.errors import BundleInvalid
from support.pdp.bundles import bundles, files

SNIPPETS = [
    "apiVersion: ringfence.dev/v1\n",
    "kind: Policy\n",
    "kind: RingGate\n",
    "metadata: {name: p}\n",
    "spec:\n  rules:\n",
    "spec: {requirements: [{actions: ['*'], ring: 1}]}\n",
    "    - {name: r, match: {actions: ['*']}, effect: ALLOW}\n",
    "    - {name: s, match: {tools: [a]}, effect: DENY, when: args.x > 1}\n",
    "---\n",
    "  governs: {side: caller}\n",
    "- [\n",
    "{a: &b *b}\n",
    "!!x y\n",
    "\t\n",
    "? x\n",
    "'",
    '"\\x"\n',
    "|\n  text\n",
    "%TAG ! x\n",
    "...\n",
    "\ufeff",
    "\u0085",
]


def pushed(content: bytes) -> None:
    refused = None
    try:
        compile_files([PolicyFile(path="a.yaml", content=content)])
    except BundleInvalid as error:
        refused = error
    if refused is not None:
        assert refused.violations
        assert all(violation.field.startswith("a.yaml:") and violation.problem for violation in refused.violations)


@given(content=st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    pushed(content)


@given(parts=st.lists(st.sampled_from(SNIPPETS), max_size=10))
def test_any_pieces_of_yaml(parts: list[str]) -> None:
    pushed("".join(parts).encode())


@given(text=st.text(max_size=60), field=st.sampled_from(["name", "effect", "when", "reason"]))
def test_any_text_in_any_field(text: str, field: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    rule = {"name": "r", "effect": "ALLOW", field: quoted}
    listed = ", ".join(f"{key}: {value}" for key, value in rule.items())
    head = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  rules:\n"
    pushed(f"{head}    - {{{listed}, match: {{actions: ['*']}}}}\n".encode("utf-8", "surrogatepass"))


@given(drawn=bundles())
def test_what_is_drawn_compiles_and_counts_its_rules(drawn: list[dict[str, list[object]]]) -> None:
    compiled = compile_files(files(drawn))
    assert compiled.policy_count == len(drawn)
    assert compiled.rule_count == sum(len(policy["rules"]) for policy in drawn)
    assert [rule.effect for rule in compiled.rules] == sorted(rule.effect for rule in compiled.rules)
