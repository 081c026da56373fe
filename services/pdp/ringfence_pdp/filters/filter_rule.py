"""A rule of a pack: what it looks for, in which arguments and which views of them, and the examples that prove it."""

import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from ringfence_pdp.filters.finding import ArgumentType, Severity

CATEGORIES = (
    "payload",
    "injection",
    "exfiltration",
    "destruction",
    "credential",
    "privilege",
    "evasion",
    "fraud",
    "malware",
    "sabotage",
)
"""What a rule can be about; the heads of intent are the same."""


class ViewKind(enum.IntEnum):
    """In what a rule looks: the text as it stands, or as somebody could mean it."""

    PLAIN = 0
    DECODED = 1
    """Decoded, cleaned, folded or joined: what some program or reader makes of the text."""
    LEET = 2
    """Digits and signs read as the letters they resemble."""
    SPACED = 3
    """Letters that stand apart read as words; rules look at it with their own spaces left out as well."""

    @property
    def word(self) -> str:
        """The kind as rules write it."""
        return self.name.lower()


ALL_BUT_SECRET = frozenset(ArgumentType) - {ArgumentType.SECRET}
"""Where a rule looks that says nothing of types."""

PLAIN_AND_DECODED = frozenset({ViewKind.PLAIN, ViewKind.DECODED})
"""What a rule looks at that says nothing of views."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRule:
    """One rule. Its examples have been tried when it was read."""

    id: str
    pack: str
    """`ringfence` for what is built in, otherwise the name of the document."""
    category: str
    severity: Severity
    types: frozenset[ArgumentType] = ALL_BUT_SECRET
    pattern: str
    """RE2."""
    views: frozenset[ViewKind] = PLAIN_AND_DECODED
    message: str
    matches: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()


def digest_of(rules: Iterable[FilterRule]) -> str:
    """Return `sha256-` and 64 hex digits over what rules look for; the order they came in does not count."""
    told = sorted(
        (rule.id, rule.pack, rule.category, rule.severity, sorted(rule.types), rule.pattern, sorted(rule.views))
        for rule in rules
    )
    return f"sha256-{hashlib.sha256(msgspec.json.encode(told)).hexdigest()}"
