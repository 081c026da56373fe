"""Comparing two cards of whatever generations: both are read into the terms of A2A 1.0 first.

Members A2A does not know are not compared, nor is the order of what has no order.
"""

from ringfence_registry.cards.comparison.interfaces import interface_differences
from ringfence_registry.cards.comparison.model import (
    CardComparison,
    Compatibility,
    DifferenceKind,
    Differences,
    compatible,
)
from ringfence_registry.cards.comparison.offers import (
    capability_differences,
    extension_differences,
    mode_differences,
    skill_differences,
)
from ringfence_registry.cards.comparison.requirements import requirement_differences
from ringfence_registry.cards.comparison.schemes import scheme_differences
from ringfence_registry.cards.comparison.signers import signer_differences
from ringfence_registry.cards.model import CardContent


def compare_cards(before: CardContent, after: CardContent) -> CardComparison:
    """Return what a caller of `before` has to expect of `after`."""
    found = [
        *_text_differences(before, after),
        *interface_differences(before, after),
        *capability_differences(before, after),
        *extension_differences(before, after),
        *scheme_differences(before, after),
        *requirement_differences(before, after),
        *mode_differences(before, after),
        *skill_differences(before, after),
        *signer_differences(before, after),
    ]
    found.sort(key=lambda each: each.compatibility is not Compatibility.BREAKING)
    worst = found[0].compatibility if found else Compatibility.IDENTICAL
    return CardComparison(compatibility=worst, differences=tuple(found))


def _text_differences(before: CardContent, after: CardContent) -> Differences:
    if before.dialect is not after.dialect:
        problem = f"is written for A2A {after.dialect.value}, and was for {before.dialect.value}"
        yield compatible(DifferenceKind.GENERATION_CHANGED, "", problem)
    if before.name != after.name:
        yield compatible(DifferenceKind.NAME_CHANGED, "/name", "is another name than before")
    if before.description != after.description:
        yield compatible(DifferenceKind.DESCRIPTION_CHANGED, "/description", "is worded anew")
    if before.version != after.version:
        yield compatible(DifferenceKind.VERSION_CHANGED, "/version", "is another version of the agent")
    if before.provider != after.provider:
        yield compatible(DifferenceKind.PROVIDER_CHANGED, "/provider", "is another provider than before")
    if before.documentation_url != after.documentation_url:
        yield compatible(DifferenceKind.LINKS_CHANGED, "/documentationUrl", "leads elsewhere")
    if before.icon_url != after.icon_url:
        yield compatible(DifferenceKind.LINKS_CHANGED, "/iconUrl", "leads elsewhere")
