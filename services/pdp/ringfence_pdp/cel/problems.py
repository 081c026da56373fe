"""What can be wrong with a condition: before it runs, and while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a condition's text. Lines and columns count from one."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class ConditionInvalid(Exception):  # noqa: N818 - named for what happened, like every failure here
    """A condition that cannot be published. `remedy` says what would be right; it is empty when nothing shorter
    than the problem itself would help."""

    def __init__(self, position: Position, problem: str, remedy: str = "") -> None:
        super().__init__(f"{position}: {problem}" + (f"; {remedy}" if remedy else ""))
        self.position = position
        self.problem = problem
        self.remedy = remedy


class EvaluationError(Exception):
    """CEL's third truth value: a condition met a missing attribute, an overflow, a value of another type.

    It is a result, not a fault: `&&` and `||` may absorb it, and a rule that ends in it never grants.
    """
