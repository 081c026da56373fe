"""The reasons for a verdict, written down while a card is read.

- The verdict is the worst any reason allows; a card nothing is noted about is VALID.
- The same thing at the same place is noted once, and reasons stop at a limit. What makes the verdict worse is noted
  beyond it: nothing decides without being said.
"""

from ringfence_registry.cards.model import CardReason, CardVerdict
from ringfence_registry.cards.sections import Section
from ringfence_registry.cards.strict_json import JsonPath, pointer_of

MAX_REASONS = 32


class Reasons:
    """Collects what is noticed about one card."""

    def __init__(self, *, before_1_0: bool) -> None:
        self._before_1_0 = before_1_0
        self._noted: dict[tuple[str, str], CardReason] = {}
        self._more = False
        self.verdict = CardVerdict.VALID

    def warn(self, at: JsonPath, rule: Section | str, problem: str) -> None:
        """Note something unusual or against advice."""
        self._note(CardVerdict.VALID_WITH_WARNINGS, at, rule, problem)

    def translate(self, at: JsonPath, rule: Section | str, problem: str) -> None:
        """Note something said in another way than 1.0 says it."""
        self._note(CardVerdict.UPCONVERTED, at, rule, problem)

    def violate(self, at: JsonPath, rule: Section | str, problem: str) -> None:
        """Note a broken rule."""
        self._note(CardVerdict.NONCONFORMANT, at, rule, problem)

    def refuse(self, at: JsonPath, rule: Section | str, problem: str) -> None:
        """Note what keeps the card from being read in one way only."""
        self._note(CardVerdict.UNREADABLE, at, rule, problem)

    def listed(self) -> tuple[CardReason, ...]:
        """Return the reasons, in the order they were noticed."""
        more = CardReason(CardVerdict.VALID_WITH_WARNINGS, "", "", "has more to remark on than is listed here")
        return (*self._noted.values(), *((more,) if self._more else ()))

    def _note(self, verdict: CardVerdict, at: JsonPath, rule: Section | str, problem: str) -> None:
        worse = verdict.is_worse_than(self.verdict)
        if len(self._noted) >= MAX_REASONS and not worse:
            self._more = True
            return
        if worse:
            self.verdict = verdict
        section = rule if isinstance(rule, str) else rule.before if self._before_1_0 else rule.now
        pointer = pointer_of(at)
        self._noted.setdefault((pointer, problem), CardReason(verdict, pointer, section, problem))
