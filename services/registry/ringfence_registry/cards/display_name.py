"""What an agent is called when nobody says: its card's name, fit to be shown to people."""

import unicodedata

from ringfence_kit.names import AgentName

from ringfence_registry.cards.model import CardFacts
from ringfence_registry.cards.unicode_text import stream_safe

MAX_BYTES = 200


def default_display_name(name: AgentName, card: CardFacts) -> str:
    """Return the card's name in one line, in normal form C, without hidden characters; the agent's id if none is left.

    The card keeps its own spelling: this is what people read in lists.
    """
    shown = card.name
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(" " if unicodedata.category(each).startswith("C") else each for each in stream_safe(shown))
    line = unicodedata.normalize("NFC", " ".join(shown.split()))
    return line.encode()[:MAX_BYTES].decode("utf-8", "ignore").rstrip() or name.agent
