"""Characters people do not see, and those that reorder what they see: people approve one text, machines read another.

Joiners and variation selectors belong to emoji and to scripts that need them, and are left alone there.
"""

import re
import unicodedata
from collections.abc import Iterator

from ringfence_registry.cards.findings.secrets import safe_pointer
from ringfence_registry.cards.findings.texts import CardText, Texts
from ringfence_registry.cards.model import CardFinding, FindingKind, Severity
from ringfence_registry.cards.unicode_text import HIDDEN, MAX_MARKS, stream_safe

_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_TAGS = re.compile("[\U000e0000-\U000e007f]")
_JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")


def hidden_text_in(texts: Texts) -> Iterator[CardFinding]:
    """Yield a finding for each text with hidden characters, and for each that is not in normal form C."""
    if texts.joined.isascii() and texts.joined.replace("\n", "").isprintable():
        return
    hidden = HIDDEN.search(texts.joined) is not None
    normal = _is_normal(texts.joined)
    if not hidden and normal:
        return
    for each in texts:
        if hidden and (problem := _problem(each.text)):
            severe = _REORDERING.search(each.text) or _TAGS.search(each.text)
            yield _finding(FindingKind.HIDDEN_TEXT, Severity.CRITICAL if severe else Severity.WARNING, each, problem)
        if not normal and not _is_normal(each.text):
            problem = "is not in Unicode normal form C, so equal looking texts differ"
            if stream_safe(each.text) != each.text:
                problem = f"stacks more than {MAX_MARKS} marks on a letter"
            yield _finding(FindingKind.NOT_NORMALIZED, Severity.INFO, each, problem)


def _is_normal(text: str) -> bool:
    return text.isascii() or (stream_safe(text) == text and unicodedata.is_normalized("NFC", text))


def _problem(text: str) -> str:
    found = sorted({found[0] for found in HIDDEN.finditer(text) if not _belongs(text, found.start())})
    if not found:
        return ""
    shown = ", ".join(f"U+{ord(character):04X}" for character in found[:8])
    what = "reorder the text around them" if _REORDERING.search(text) else "are not seen"
    return f"contains characters that {what}: {shown}"


def _belongs(text: str, place: int) -> bool:
    """Say whether a joiner stands where people write one: after a symbol, or a letter of a script that joins."""
    if text[place] not in _JOINERS or place == 0:
        return False
    before = text[place - 1]
    return unicodedata.category(before) in {"So", "Sk", "Mn"} or before in "#*0123456789" or before >= "\u0590"


def _finding(kind: FindingKind, severity: Severity, at: CardText, problem: str) -> CardFinding:
    of_a_name = "has a member whose name " if at.is_name else ""
    return CardFinding(kind, severity, safe_pointer(at.path), f"{of_a_name}{problem}")
