"""Differences between two cards, and what they mean to a caller of the first who meets the second."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


class Compatibility(enum.Enum):
    """What a caller has to expect, the best first."""

    IDENTICAL = "IDENTICAL"
    """No difference a caller could notice."""
    COMPATIBLE = "COMPATIBLE"
    """Differences, none of which breaks a caller."""
    BREAKING = "BREAKING"
    """A caller of the one may fail with the other."""


class DifferenceKind(enum.Enum):
    """What differs. The value is the name on the wire."""

    NAME_CHANGED = "name_changed"
    DESCRIPTION_CHANGED = "description_changed"
    VERSION_CHANGED = "version_changed"
    PROVIDER_CHANGED = "provider_changed"
    LINKS_CHANGED = "links_changed"
    GENERATION_CHANGED = "generation_changed"
    """The card is written for another A2A than before; readers of that one only may not read it."""

    INTERFACE_ADDED = "interface_added"
    INTERFACE_REMOVED = "interface_removed"
    PREFERRED_INTERFACE_CHANGED = "preferred_interface_changed"
    PROTOCOL_VERSION_ADDED = "protocol_version_added"
    PROTOCOL_VERSION_REMOVED = "protocol_version_removed"
    TENANT_CHANGED = "tenant_changed"

    CAPABILITY_ADDED = "capability_added"
    CAPABILITY_REMOVED = "capability_removed"
    EXTENSION_ADDED = "extension_added"
    EXTENSION_REMOVED = "extension_removed"
    EXTENSION_NO_LONGER_REQUIRED = "extension_no_longer_required"
    EXTENSION_PARAMS_CHANGED = "extension_params_changed"
    REQUIRED_EXTENSION_ADDED = "required_extension_added"

    SKILL_ADDED = "skill_added"
    SKILL_REMOVED = "skill_removed"
    SKILL_CHANGED = "skill_changed"
    SKILL_REPLACED = "skill_replaced"
    """The id stayed, and what it stands for did not."""

    INPUT_MODE_ADDED = "input_mode_added"
    INPUT_MODE_REMOVED = "input_mode_removed"
    OUTPUT_MODE_ADDED = "output_mode_added"
    OUTPUT_MODE_REMOVED = "output_mode_removed"

    SCHEME_ADDED = "scheme_added"
    SCHEME_REMOVED = "scheme_removed"
    SCHEME_CHANGED = "scheme_changed"
    SCHEME_DESCRIBED_ANEW = "scheme_described_anew"
    FLOW_ADDED = "flow_added"
    FLOW_REMOVED = "flow_removed"
    FLOW_ADDRESS_CHANGED = "flow_address_changed"
    PKCE_REQUIRED = "pkce_required"
    SCOPE_ADDED = "scope_added"
    SCOPE_REMOVED = "scope_removed"
    SECURITY_TIGHTENED = "security_tightened"
    SECURITY_LOOSENED = "security_loosened"

    SIGNATURE_ADDED = "signature_added"
    SIGNATURE_REMOVED = "signature_removed"
    SIGNING_KEY_CHANGED = "signing_key_changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two cards."""

    compatibility: Compatibility
    kind: DifferenceKind
    pointer: str
    """Into the card that has it, the newer when both have; as A2A 1.0 would write that card."""
    problem: str


Differences: TypeAlias = Iterator[Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardComparison:
    """How one card compares with another."""

    compatibility: Compatibility
    differences: tuple[Difference, ...]
    """The breaking ones first, then in the order of the card."""


def breaking(kind: DifferenceKind, pointer: str, problem: str) -> Difference:
    """Return a difference that breaks a caller."""
    return Difference(Compatibility.BREAKING, kind, pointer, problem)


def compatible(kind: DifferenceKind, pointer: str, problem: str) -> Difference:
    """Return a difference that breaks nobody."""
    return Difference(Compatibility.COMPATIBLE, kind, pointer, problem)
