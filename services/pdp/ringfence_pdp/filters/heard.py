"""What classifiers elsewhere said about one call: part of the question, so that deciding stays a function of it.

Whoever decides asks them in between (`sitting.py`): once to see whether anything else denies the call already, and
again with what they said. A classifier nobody asked did not say that all is well: that is a failure like any other.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ringfence_pdp.filters.encoder.doubt import ENCODER
from ringfence_pdp.filters.encoder.doubt import failed as failed_to_read
from ringfence_pdp.filters.finding import Finding
from ringfence_pdp.filters.remote import failed

_NOTHING_SAID: Mapping[str, tuple[Finding, ...]] = {}


class Heard(NamedTuple):
    """What was said, by the name of the classifier."""

    said: Mapping[str, tuple[Finding, ...]] = _NOTHING_SAID
    quiet: bool = False
    """Whether one that was not asked counts as having found nothing: only to find out whether to ask it at all."""

    def of(self, classifier: str) -> Sequence[Finding]:
        """Return what `classifier` found; when nobody asked it, that it failed."""
        found = self.said.get(classifier)
        if found is not None:
            return found
        return () if self.quiet else (failed(classifier, "nobody asked it"),)


NOBODY_ASKED = Heard()
NOBODY_OBJECTS = Heard(quiet=True)
UNREAD = Heard({ENCODER: (failed_to_read("the encoder was not asked"),)})
"""What holds of a call in doubt until it is read again."""
