"""Prompt injection: texts of a card that address the model that reads it, instead of saying what the agent does.

These are the known turns of phrase; new ones pass. A finding is a reason to read the card, not proof, and a card
without one is not safe to paste into a prompt.
"""

from collections.abc import Iterator

import re2

from ringfence_registry.cards.findings.secrets import safe_pointer
from ringfence_registry.cards.findings.texts import CardText, Texts
from ringfence_registry.cards.look_alikes import plain_reading
from ringfence_registry.cards.model import CardFinding, FindingKind, Severity

_ANY = r"(?:\W+\w+){0,4}?\W+"
_TURNS = {
    "tells the reader to drop its instructions": (
        rf"\b(?:ignore|disregard|forget|override|bypass|discard)\b{_ANY}"
        r"(?:instructions?|prompts?|rules?|guidelines?|directives?|polic(?:y|ies)|guardrails?|safety|context)\b"
    ),
    "imitates the markup of a conversation with a model": (
        r"<\|[a-z_]{2,20}\|>|\[/?INST\]|<</?SYS>>|</?(?:system|assistant|important|instructions?)>"
        r"|(?:^|\n)\s*#{0,4}\s*(?:system|assistant)\s*(?:prompt|message|instructions?)?\s*:"
        r"|\bBEGIN (?:SYSTEM )?(?:PROMPT|INSTRUCTIONS)\b"
    ),
    "gives the reader another role": (
        r"\byou are (?:now|no longer)\b|\b(?:act|behave|respond) as (?:if you|an? (?:admin|root|unrestricted|system))"
        r"|\bpretend (?:to be|you)\b|\b(?:developer|god|jailbreak|DAN) mode\b|\bjailbreak"
    ),
    "asks for what the reader was told": (
        rf"\b(?:reveal|print|show|output|repeat|leak|disclose|send|tell)\b{_ANY}"
        r"(?:(?:system|hidden|initial) prompt|(?:system|your|previous) instructions|(?:conversation|chat) history)\b"
    ),
    "tells the reader to keep something from people": (
        r"\b(?:do not|don'?t|never|without)\b\W+(?:tell|inform|mention|notify|reveal|show|alert|ask|telling|informing"
        r"|notifying|asking)\b(?:\W+\w+){0,4}?\W+(?:users?|humans?|operators?|person|people|anyone|owner)\b"
    ),
    "tells the reader which agent to choose": (
        r"\b(?:always|must|only)\b\W+(?:\w+\W+)?(?:use|choose|select|prefer|call|route|delegate|pick)\b(?:\W+\w+){0,3}?\W+"
        r"(?:this|our|my) (?:agent|tool|skill)\b"
        r"|\b(?:never|do not|don'?t)\b\W+(?:use|choose|select|call|trust)\b(?:\W+\w+){0,2}?\W+"
        r"other (?:agents?|tools?|skills?)\b"
    ),
    "asks for secrets to be sent somewhere": (
        r"\b(?:send|forward|post|upload|exfiltrate|e-?mail|transmit|append|include|leak)\b(?:\W+\w+){0,6}?\W+"
        r"(?:api[ _-]?keys?|credentials?|passwords?|secrets?|tokens?|cookies|environment variables|\.env|ssh keys?)\b"
        r"(?:\W+\w+){0,6}?\W+(?:to|at|in|into|via)\b"
    ),
    "loads an address that carries what was read": r"!\[[^\]]*\]\(\s*https?://[^)\s]*[?&=][^)]*\)",
    "holds markup that runs or hides": r"<script\b|<iframe\b|javascript:|<!--|on(?:error|load)\s*=",
}
_TURN = re2.compile("(?i)" + "|".join(f"({turn})" for turn in _TURNS.values()))
_SAYINGS = tuple(_TURNS)


def injections_in(texts: Texts) -> Iterator[CardFinding]:
    """Yield a finding for each text that addresses its reader, in document order."""
    if not _TURN.search(plain_reading(texts.joined)):
        return
    for each in texts:
        if found := _TURN.search(plain_reading(each.text)):
            yield _finding(each, _SAYINGS[found.lastindex - 1])


def _finding(at: CardText, saying: str) -> CardFinding:
    of_a_name = "has a member whose name " if at.is_name else ""
    return CardFinding(FindingKind.PROMPT_INJECTION, Severity.WARNING, safe_pointer(at.path), f"{of_a_name}{saying}")
