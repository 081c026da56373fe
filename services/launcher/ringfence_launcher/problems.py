"""A command that cannot go on, as the person who typed it reads it: what happened, its reason code, what to do.

Commands raise a `Problem`; `__main__` prints it on stderr and exits with its code. Nothing else prints errors, so no
command ever ends in a traceback.
"""

import dataclasses
import json

from rich.console import Console
from rich.text import Text

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.plain_text import plain


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One of several things that are wrong: a field path, a file position, a check; and what is wrong there."""

    where: str
    what: str


class Problem(Exception):  # noqa: N818 - not an error of the program: what it has to say to its user
    """Why a command stops. `mend` says what to do about it, in a sentence or a command to run."""

    def __init__(
        self,
        what: str,
        *,
        code: ExitCode,
        mend: str = "",
        reason: str = "",
        details: tuple[Detail, ...] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.code = code
        self.mend = mend
        self.reason = reason
        self.details = details


def print_problem(problem: Problem, stderr: Console, *, as_json: bool) -> None:
    """Write `problem` for a person, or as one JSON object on one line for a program."""
    if as_json:
        stderr.out(_as_json(problem), highlight=False)
        return
    head = Text.assemble(("error: ", "bold red"), plain(problem.what))
    if problem.reason:
        head.append(f"  [{plain(problem.reason)}]", style="red")
    stderr.print(head)
    for detail in problem.details:
        stderr.print(Text.assemble("  ", (plain(detail.where), "bold"), ": ", plain(detail.what)))
    if problem.mend:
        stderr.print(Text.assemble(("what to do: ", "bold"), plain(problem.mend)))


def _as_json(problem: Problem) -> str:
    return json.dumps(
        {
            "error": problem.what,
            "reason": problem.reason,
            "whatToDo": problem.mend,
            "details": [dataclasses.asdict(detail) for detail in problem.details],
            "exitCode": int(problem.code),
        },
        ensure_ascii=False,
    )
