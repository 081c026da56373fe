"""All findings about one card, in a fixed order, up to a limit. They never change the card or its verdict."""

import itertools
from collections.abc import Iterator

from ringfence_registry.cards.findings.hidden_text import hidden_text_in
from ringfence_registry.cards.findings.injections import injections_in
from ringfence_registry.cards.findings.private_addresses import private_addresses_in
from ringfence_registry.cards.findings.secrets import safe_pointer, secrets_in
from ringfence_registry.cards.findings.texts import Texts
from ringfence_registry.cards.look_alikes import imitated
from ringfence_registry.cards.model import CardContent, CardFinding, FindingKind, Severity
from ringfence_registry.cards.strict_json import JsonValue

MAX_FINDINGS = 32

_MORE = CardFinding(FindingKind.UNUSUAL, Severity.INFO, "", "has more to look at than is listed here")


def findings_of(document: dict[str, JsonValue], content: CardContent) -> tuple[CardFinding, ...]:
    """Return what people should look at, the kinds that matter most first."""
    texts = Texts(document)
    found = tuple(itertools.islice(_findings(texts, content), MAX_FINDINGS + 1))
    return found if len(found) <= MAX_FINDINGS else (*found[:MAX_FINDINGS], _MORE)


def _findings(texts: Texts, content: CardContent) -> Iterator[CardFinding]:
    yield from secrets_in(texts, content)
    yield from injections_in(texts)
    yield from hidden_text_in(texts)
    yield from _imitations(content)
    yield from private_addresses_in(texts, content)
    for path in texts.told_apart_by_case():
        problem = "is there in another case too, and some readers take the last of them"
        yield CardFinding(FindingKind.UNUSUAL, Severity.WARNING, safe_pointer(path), problem)
    for path in texts.inexact():
        problem = "is an integer beyond 2^53, which readers that use doubles take for another"  # RFC 7493 2.2
        yield CardFinding(FindingKind.UNUSUAL, Severity.WARNING, safe_pointer(path), problem)


def _imitations(content: CardContent) -> Iterator[CardFinding]:
    provider = content.provider.organization if content.provider else ""
    for pointer, name in (("/name", content.name), ("/provider/organization", provider)):
        if imitated(name):
            problem = "mixes letters of several scripts so that it reads like another name"
            yield CardFinding(FindingKind.LOOK_ALIKE, Severity.WARNING, pointer, problem)
