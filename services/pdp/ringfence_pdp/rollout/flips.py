"""How the bundle that is tried differs from the active one, counted in memory: by change, and by rule.

A flip is another effect, or another reason for a denial that both give is none. The first decision that shows a kind of
flip stands for it by its id, so that somebody can look it up in the log and replay it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ringfence_pdp.model import Effect

KINDS_MAX = 10_000
"""Kinds of flips that are told apart; more are counted, and not named."""

SHOWN_MAX = 100


@dataclass(slots=True, kw_only=True)
class Flip:
    """One way in which the answer would change."""

    before: Effect
    after: Effect
    rule: str
    """The candidate's first determining rule; empty when none of its rules matches."""
    example: str
    """A decision's id."""
    count: int = 1


@dataclass(slots=True, kw_only=True)
class WouldFlips:
    """Counts of one trial, since it began in this process."""

    candidate: str
    decisions: int = 0
    flips: int = 0
    errors: int = 0
    _kinds: dict[tuple[Effect, Effect, str], Flip] = field(default_factory=dict)

    def count(self, before: Effect, after: Effect, rule: str, decision_id: str, *, erred: bool) -> None:
        """Count one decision that both were asked for."""
        self.decisions += 1
        self.errors += erred
        if before is after:
            return
        self.flips += 1
        kind = (before, after, rule)
        seen = self._kinds.get(kind)
        if seen is not None:
            seen.count += 1
        elif len(self._kinds) < KINDS_MAX:
            self._kinds[kind] = Flip(before=before, after=after, rule=rule, example=decision_id)

    @property
    def by_rule(self) -> Sequence[Flip]:
        """The kinds of flips, the most frequent first."""
        by_count = sorted(self._kinds.values(), key=lambda flip: (-flip.count, flip.before, flip.after, flip.rule))
        return by_count[:SHOWN_MAX]
