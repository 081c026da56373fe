"""Which calls a worker leaves to its leader, who counts, asks people and remembers sessions for all of them.

Nothing was logged or counted here for a call that is left, so the leader decides it as if nobody had before:

- what is counted, or somebody else has a say in: that call, told apart while it is decided;
- what several calls have to do with each other (a batch, the parts of one request): the whole of it, where policies say
  that a part of it may be left;
- while policies ask what sessions did before, while a bundle is tried, and while somebody watches decisions: all calls.
"""

from collections.abc import Sequence

from ringfence_pdp.approvals.approval import Asked, Question
from ringfence_pdp.approvals.desk import Said
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.filters.finding import Content, Finding
from ringfence_pdp.model import Effect
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.snapshots.elsewhere import AskedElsewhere, DecidedElsewhere


class PeopleElsewhere(AskedElsewhere):
    """People the leader asks."""

    async def put(self, question: Question, asked: Asked, *, named: str = "") -> Said:  # noqa: ARG002 - see People
        """Raise DecidedElsewhere."""
        raise DecidedElsewhere("people have to approve it, and the leader asks them")


class ClassifiersElsewhere:
    """Classifiers the leader asks."""

    async def ask(self, name: str, content: Content) -> Sequence[Finding]:  # noqa: ARG002 - see Classifiers
        """Raise DecidedElsewhere."""
        raise DecidedElsewhere(f"the classifier {name} has to be heard, and the leader asks it")


class Where:
    """Where calls are decided at the moment."""

    def __init__(self, policy: PolicyState[CompiledBundle], *, reads_again: bool = False) -> None:
        """`reads_again`: whether the leader has a second reader of intent."""
        self.watched = False
        """Whether somebody watches decisions, which the leader shows."""
        self._policy = policy
        self._reads_again = reads_again
        self._looked_at: CompiledBundle | None = None
        self._asks_people = False

    @property
    def all_left(self) -> bool:
        """Whether the leader decides every call."""
        in_force = self._policy.current
        decides = in_force.compiled
        return self.watched or in_force.candidate is not None or (decides is not None and decides.has_history)

    @property
    def any_left(self) -> bool:
        """Whether policies say that the leader may have to decide a call."""
        decides = self._policy.current.compiled
        if self.all_left or decides is None:
            return self.all_left
        if self._looked_at is not decides:
            self._asks_people = any(rule.effect is Effect.REQUIRE_APPROVAL for rule in decides.rules)
            self._looked_at = decides
        in_doubt = decides.reads_intent and self._reads_again
        return self._asks_people or bool(decides.limits) or decides.asks_classifiers or in_doubt
