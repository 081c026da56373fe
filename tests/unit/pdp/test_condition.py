"""What is known about a condition besides its answer: cost, clauses, what it pins."""

import pytest
from ringfence_pdp.cel.problems import EvaluationError
from support.pdp.conditions import Agent, Request, compiled


def test_a_plain_condition_costs_a_few_units() -> None:
    assert compiled("agent.ring <= 2 && agent.stage == 'prod'").cost < 20


def test_going_through_arguments_costs_their_limit_once() -> None:
    once = compiled("args.xs.exists(x, x == 'a')").cost
    nested = compiled("args.xs.exists(x, x.ys.exists(y, y == 'a'))").cost
    assert 4_096 < once < nested < 4 * once


def test_a_longer_text_costs_more_to_match() -> None:
    assert compiled("args.text.matches('a')").cost > compiled("agent.name.matches('a')").cost


def test_matching_a_text_costs_more_than_looking_at_its_beginning() -> None:
    assert compiled("args.text.matches('^a')").cost > compiled("args.text.startsWith('a')").cost


def test_pins_the_texts_an_attribute_has_to_be() -> None:
    condition = compiled("agent.name in ['a', 'b'] && agent.name == 'b' && 'x' == labels.team && agent.ring == 2")
    assert condition.pinned == {"agent.name": {"b"}, "labels.team": {"x"}}


def test_pins_nothing_below_or() -> None:
    assert compiled("agent.name == 'a' || agent.busy").pinned == {}


def test_clauses_are_the_comparisons_as_written() -> None:
    condition = compiled("(agent.ring <= 2 && !(args.rows > 5.0)) || has(args.force)")
    texts = [clause.text for clause in condition.clauses.results(Request())]
    assert texts == ["agent.ring <= 2", "args.rows > 5.0", "has(args.force)"]


def test_clauses_give_what_they_give_alone_and_show_what_they_read() -> None:
    request = Request(agent=Agent(ring=3), args={"rows": 7.0})
    ring, rows, absent = compiled("agent.ring <= 2 || args.rows > 5 || args.x == 1").clauses.results(request)
    assert (ring.result, ring.detail) == (False, "agent.ring is 3")
    assert (rows.result, rows.detail) == (True, "args.rows is 7.0")
    assert (absent.result, absent.detail) == (None, "args.x is absent")


def test_a_clause_that_is_no_bool_is_an_error() -> None:
    flag, rows = compiled("args.flag || args.rows == args.none").clauses.results(
        Request(args={"flag": "yes", "rows": 1.0})
    )
    assert (flag.result, flag.detail) == (None, "is 'yes', not a bool")
    assert (rows.result, rows.detail) == (None, "args.none is absent")


def test_a_clause_shows_request_attributes_but_not_what_a_macro_binds() -> None:
    request = Request(args={"files": [{"path": "a"}]})
    (clause,) = compiled("args.files.exists(f, f.path == agent.name)").clauses.results(request)
    assert clause.detail == "args.files is [{'path': 'a'}], agent.name is 'analyst'"


def test_long_values_are_shown_in_part() -> None:
    (clause,) = compiled("args.text == 'a'").clauses.results(Request(args={"text": "x" * 500}))
    assert len(clause.detail) < 120


@pytest.mark.parametrize(
    ("source", "gaps"),
    [
        ("agent.ring <= 1", ["`agent.ring <= 1` held (agent.ring is 2)"]),
        ("!(agent.ring == 2)", ["`agent.ring == 2` did not hold (agent.ring is 2)"]),
        ("agent.ring <= 2", []),
        ("agent.ring <= 1 && agent.busy", ["`agent.ring <= 1` held (agent.ring is 2)", "`agent.busy` held"]),
        ("(agent.ring <= 1 && agent.busy) || args.x == 1", ["`args.x == 1` held (args.x is absent)"]),
        ("!(agent.ring == 2 && agent.name == 'analyst')", ["`agent.ring == 2` did not hold (agent.ring is 2)"]),
        ("!(agent.ring == 2 || agent.busy)", ["`agent.ring == 2` did not hold (agent.ring is 2)"]),
    ],
)
def test_gaps_are_a_smallest_set_of_clauses_that_would_have_to_change(source: str, gaps: list[str]) -> None:
    assert list(map(str, compiled(source).clauses.gaps(Request()))) == gaps


def test_texts_keep_their_escapes_and_raw_strings_their_backslashes() -> None:
    request = Request(args={"text": 'a"\n\\d\x41\u00e9\U0001f600'})
    condition = compiled(
        r"""args.text == "a\"\n\\d\x41\u00e9\U0001F600" && r'\d' in [args.text, '\\d'] && '\101' == 'A'"""
    )
    assert condition.evaluate(request) is True


def test_bytes_keep_their_octets() -> None:
    assert compiled(r"b'\xff\101é' == b'\xffA\303\251' && agent.busy == false").evaluate(Request()) is True


def test_triple_quotes_hold_quotes_and_lines() -> None:
    request = Request(args={"text": 'it\'s\n"so"'})
    assert (
        compiled('args.text == \'\'\'it\'s\n"so"\'\'\' && args.text == """it\'s\n"so\\""""').evaluate(request) is True
    )


def test_an_absent_optional_attribute_is_an_error_that_or_absorbs() -> None:
    request = Request(agent=Agent(team=None))
    assert compiled("agent.team == 'x' || agent.ring == 2").evaluate(request) is True
    with pytest.raises(EvaluationError, match=r"agent\.team is absent"):
        compiled("agent.team == 'x'").evaluate(request)
