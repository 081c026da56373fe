"""Reads again what the first reader of intent is in doubt about, and tells what it finds as the first does.

Rules. It adds findings and takes none away. It looks for what is said to a model to make it do something else; of the
other intents it knows no more than the first (docs/filters-report.md). A text is as bad as its worst window; what its
score means is read off a curve of ordinary texts, as everywhere in this package, so the thresholds are the same. What
is read of one call is bounded, the most doubtful texts first; that something was left unread is a finding too. A text
is read by itself, so beside others the same is found in it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ringfence_pdp.filters.encoder.artefact import Artefact, installed
from ringfence_pdp.filters.encoder.doubt import Doubt, unread
from ringfence_pdp.filters.encoder.network import Network, load
from ringfence_pdp.filters.encoder.windows import windows
from ringfence_pdp.filters.finding import Finding, Kind
from ringfence_pdp.filters.intent.classifier import LOW_AT, MEANINGS, severity_of
from ringfence_pdp.filters.masking import snippet

WINDOWS_OF_CALL: Final = 12
"""Windows that are read of one call: some 200 ms."""
STEP: Final = "encoder"
"""What stands behind the views of a finding: how the text was read."""


class SecondReader:
    """The encoder with its head. Threads may ask it at the same time."""

    def __init__(self, artefact: Artefact, network: Network) -> None:
        self._artefact = artefact
        self._network = network

    @property
    def digest(self) -> str:
        """`sha256-` and 64 hex digits over the head and, by its hash, the network."""
        return self._artefact.digest

    def p_value(self, cut: Sequence[Sequence[int]]) -> float:
        """Return how rare texts with such windows are among ordinary ones."""
        if not cut:
            return 1.0
        return self._artefact.curve.of(self._artefact.head.score(self._network.vectors(cut)))

    def findings(self, doubts: Sequence[Doubt]) -> Sequence[Finding]:
        """Return what is dangerous in texts the first reader is in doubt about, the worst first."""
        found = sorted(self._found(doubts), key=lambda finding: (-finding.severity, finding.p_value or 0.0))
        return tuple(found)

    def _found(self, doubts: Sequence[Doubt]) -> Iterator[Finding]:
        left = WINDOWS_OF_CALL
        known: dict[str, float] = {}
        for doubt in sorted(doubts, key=lambda one: one.p_value):
            p_value = known.get(doubt.view.text)
            if p_value is None:
                cut = windows(doubt.view.text, self._artefact.pieces)
                left -= len(cut)
                if left < 0:
                    yield unread(doubt.argument)
                    return
                p_value = known[doubt.view.text] = self.p_value(cut)
            if p_value <= LOW_AT:
                yield self._told(p_value, doubt)

    def _told(self, p_value: float, doubt: Doubt) -> Finding:
        argument, text, category = doubt.argument, doubt.view.text, self._artefact.category
        return Finding(
            kind=Kind.INTENT,
            id=f"intent.{category}",
            category=category,
            severity=severity_of(p_value),
            message=MEANINGS[category],
            argument=argument.pointer,
            argument_type=argument.type,
            views=(*doubt.view.steps, STEP),
            end=len(text),
            snippet=snippet(text, 0, len(text)),
            p_value=p_value,
            model=self.digest,
            origin=argument.origin,
        )


def second_reader() -> SecondReader:
    """Return the encoder that is installed, loaded now. Raises EncoderMissing and EncoderRefused."""
    artefact = installed()
    return SecondReader(artefact, load(artefact.pieces, artefact.network))
