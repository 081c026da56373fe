"""What can be wrong with a question."""

from ringfence_kit.errors import Failure, Kind, Violation


class FilterInvalid(Failure):
    """The filter does not parse, names an unknown field, or compares what cannot be compared."""

    kind = Kind.INVALID_ARGUMENT
    reason = "FILTER_INVALID"

    def __init__(self, *, column: int, problem: str) -> None:
        super().__init__(
            f"the filter is invalid at column {column}: {problem}",
            metadata={"column": str(column), "problem": problem},
            violations=(Violation("filter", f"column {column}: {problem}"),),
        )
