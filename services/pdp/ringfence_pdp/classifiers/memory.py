"""Replies that are still good, by the hash of what was asked: no text is kept.

Bounded in number, the longest unused goes first; and in time, so that a classifier that learnt is heard again.
"""

from collections import OrderedDict

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.classifiers.reply import Reply


class Memory:
    """What one classifier said."""

    def __init__(self, *, entries: int, lasting: Millis) -> None:
        self._entries = entries
        self._lasting = lasting
        self._kept: OrderedDict[bytes, tuple[Instant, Reply]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, question: bytes, now: Instant) -> Reply | None:
        """Return what was said to `question`, while it is good."""
        found = self._kept.get(question)
        if found is None:
            return None
        since, reply = found
        # Before `since` the clock was set back: how old it is nobody knows.
        if not since <= now < since + self._lasting:
            del self._kept[question]
            return None
        self._kept.move_to_end(question)
        return reply

    def keep(self, question: bytes, reply: Reply, now: Instant) -> None:
        """Remember a reply."""
        if not self._lasting or not self._entries:
            return
        self._kept[question] = now, reply
        self._kept.move_to_end(question)
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)
