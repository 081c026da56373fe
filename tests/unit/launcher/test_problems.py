import io
import json

import pytest
from rich.console import Console
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Detail, Problem, print_problem

FULL = Problem(
    "what happened \x1b[2J",
    code=ExitCode.CONFLICT,
    reason="A_REASON",
    mend="do this",
    details=(Detail(where="a.b[0]", what="is wrong"), Detail(where="c\r", what="is too")),
)


def printed(problem: Problem, *, as_json: bool) -> str:
    kept = io.StringIO()
    stderr = Console(file=kept, width=500, color_system=None, markup=False, highlight=False)
    print_problem(problem, stderr, as_json=as_json)
    return kept.getvalue()


def test_for_people_what_reason_where_and_what_to_do() -> None:
    assert printed(FULL, as_json=False).splitlines() == [
        "error: what happened \\x1b[2J  [A_REASON]",
        "  a.b[0]: is wrong",
        "  c\\x0d: is too",
        "what to do: do this",
    ]


def test_for_people_nothing_that_is_not_known() -> None:
    assert printed(Problem("x", code=ExitCode.INVALID), as_json=False) == "error: x\n"


def test_for_programs_one_object_on_one_line() -> None:
    (line,) = printed(FULL, as_json=True).splitlines()
    assert json.loads(line) == {
        "error": "what happened \x1b[2J",
        "reason": "A_REASON",
        "whatToDo": "do this",
        "details": [{"where": "a.b[0]", "what": "is wrong"}, {"where": "c\r", "what": "is too"}],
        "exitCode": 7,
    }


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/]", "[red", ":smile:", "[link=file:///etc/passwd]x[/link]"])
def test_markup_from_elsewhere_is_text(text: str) -> None:
    problem = Problem(text, code=ExitCode.INVALID, reason=text, mend=text, details=(Detail(where=text, what=text),))
    assert printed(problem, as_json=False).count(text) == 5
