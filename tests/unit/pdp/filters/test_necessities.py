import pytest
from ringfence_pdp.filters.builtin import builtin_rules
from ringfence_pdp.filters.filter_rule import ViewKind
from ringfence_pdp.filters.necessities import lowered, necessary
from ringfence_pdp.filters.rule_set import RuleSet, compile_rule
from ringfence_pdp.filters.squeezing import squeezed

NECESSARY = {
    r"(?i)\bDROP\s+table\b": [[{"table"}, {"drop"}]],
    r"(?i)\b(?:drop|truncate)\s+table\b": [[{"table"}, {"drop", "truncate"}]],
    r"colou?r": [[{"color", "colour"}]],
    r"ab(?:c|d)e": [[{"abce", "abde"}]],
    r"ab[cd]e": [[{"abce", "abde"}]],
    r"one.{0,40}three": [[{"three"}, {"one"}]],
    r"(?:ab)+c*d?": [[{"ab"}]],
    r"first|second": [[{"first"}], [{"second"}]],
    r"\x{410}\x42c": [[{"\u0430bc"}]],
    r"^\s*rm\s+-rf\b": [[{"-rf"}]],
    r"a{2,3}bc": [[{"bc"}]],
    r"[^a]bc\.d\\e": [[{"bc.d\\e"}]],
    r"(?P<name>secret)": [[{"secret"}]],
    r"(?s:x.y)zz": [[{"zz"}]],
}


@pytest.mark.parametrize(("pattern", "ways"), NECESSARY.items())
def test_what_a_pattern_needs_is_found_in_it(pattern: str, ways: list[list[set[str]]]) -> None:
    compile_rule(pattern)

    assert [[set(texts) for texts in sets] for sets in necessary(pattern)] == ways


UNKNOWN = (
    r"\w+",
    r"a?b?c",
    r"first|\d+",
    r".*",
    r"[^a]{3}",
    r"\pL{4}",
    r"(?:ab)*",
    r"\Qa.b\E",
    r"[[:alpha:]]x",
    r"abc|x",
)


@pytest.mark.parametrize("pattern", UNKNOWN)
def test_in_doubt_nothing_is_necessary(pattern: str) -> None:
    assert not necessary(pattern)


def test_texts_are_compared_in_lower_case() -> None:
    assert lowered("\u039f\u0394\u039f\u03a3 ABC") == "\u03bf\u03b4\u03bf\u03c3 abc"


def test_no_rule_is_kept_from_its_own_examples() -> None:
    for rule in builtin_rules():
        for pattern in {rule.pattern, squeezed(rule.pattern) if ViewKind.SPACED in rule.views else rule.pattern}:
            compiled, ways = compile_rule(pattern), necessary(pattern)
            for text in rule.matches:
                if ways and compiled.search(text) is not None:
                    there = lowered(text)
                    assert any(all(any(one in there for one in texts) for texts in sets) for sets in ways), pattern


def test_what_a_rule_set_finds_is_what_its_patterns_find_one_by_one() -> None:
    rules = [rule for rule in builtin_rules() if rule.views]
    rule_set = RuleSet(rules)
    alone = {rule.id: compile_rule(rule.pattern) for rule in rules}
    texts = [text for rule in rules[::25] for text in (*rule.matches[:1], *rule.passes[:1])]

    for text in texts:
        for written_in in sorted({type_ for rule in rules for type_ in rule.types})[:2]:
            found = {hit.rule.id for hit in rule_set.matches(text, written_in)}
            assert found == {
                rule.id
                for rule in rules
                if written_in in rule.types and 0 in rule.views and alone[rule.id].search(text) is not None
            }
