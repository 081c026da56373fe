"""What the `watch` commands share: their options, and the steps of a watch as the events they print."""

from collections.abc import Callable, Iterator
from typing import Annotated, TypeVar

import typer
from ringfence.watch import Bookmark, Changed, StateBegins, StateComplete, Step
from ringfence.watch_position import WatchAnswer

from ringfence_launcher.output import Output

FromOption = Annotated[int, typer.Option("--from", min=0, help="First revision wanted: the last one seen plus one.")]
InitialOption = Annotated[bool, typer.Option("--initial", help="First everything there is, then changes.")]
BookmarksOption = Annotated[bool, typer.Option("--bookmarks", help="Show heartbeats too.")]
CountOption = Annotated[int, typer.Option(min=0, help="End after this many events; 0 goes on until Ctrl-C.")]

A = TypeVar("A", bound=WatchAnswer)


def require_one_beginning(*, start: int, initial: bool) -> None:
    """End with a usage error when a watch would begin at two places."""
    if start and initial:
        raise typer.BadParameter("--from goes on where a watch ended, --initial begins anew: give one of them")


def events(steps: Iterator[Step[A]], out: Output, *, bookmark: Callable[[int, bool], A] | None) -> Iterator[A]:
    """Give each change, and heartbeats when `bookmark` makes them. Says so when the state has to be told again.

    It is given the revision a heartbeat is of, and whether it ends the state that came first.
    """
    for place, step in enumerate(steps):
        match step:
            case Changed(answer=event):
                yield event
            case StateBegins() if place:
                out.hint("the history that was watched is gone: the whole state follows again")
            case StateComplete(revision) | Bookmark(revision) if bookmark is not None:
                yield bookmark(revision, isinstance(step, StateComplete))
