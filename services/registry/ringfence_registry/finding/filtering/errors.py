"""The one way in which a filter fails: where, and what would be right."""

_SHOWN = 60


class FilterError(ValueError):
    """The filter cannot be used. `column` counts characters from 1; `problem` is a sentence for the caller."""

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(f"column {column}: {problem}")
        self.column = column
        self.problem = problem


def quoted(text: str) -> str:
    """Return `text` as it may stand in a message: in quotes, and cut short when it is long."""
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return '"' + shown + '"'
