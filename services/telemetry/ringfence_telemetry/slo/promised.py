"""The times agents promise, for whoever shows pieces of work: which took too long, and what each part may take."""

from collections.abc import Iterator

from ringfence_telemetry.slo.book import SloBook
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.workflows.settled import Part, Settled


class PromisedTimes:
    """What objectives say about time."""

    def __init__(self, book: SloBook) -> None:
        self._book = book

    def is_late(self, settled: Settled) -> bool:
        """Say whether a piece of work took longer than an objective of its agent allows."""
        return any(
            objective.latency is not None and settled.duration_micros > objective.latency * 1_000
            for objective in self._objectives(settled.agent)
            if objective.concerns(skill=settled.skill, operation=settled.operation)
        )

    def target_of(self, part: Part) -> int | None:
        """Return the microseconds an agent promises for all it does: the fewest, when several are promised."""
        promised = [each.latency * 1_000 for each in self._objectives(part.agent) if each.latency is not None]
        return min(promised, default=None)

    def _objectives(self, agent: str) -> Iterator[Objective]:
        for name in self._book.names(agent=agent) if agent else ():
            objective = self._book.objective(name)
            if objective is not None:
                yield objective
