"""What a namespace asks of what is let into it, and of who changes what is in it.

- A namespace that nobody set up has the registry's defaults, so there is a policy for every name, used or not.
- Whoever lets a card in, or changes something, asks `PolicyReader.policy_of`, once, and hands the answer on as a value.
- These classes are also the stored form (`ringfence_kit.records`): fields may be added with a default, not renamed.
"""

import enum
from dataclasses import dataclass, field, replace
from typing import Protocol

from ringfence_registry.cards.model import CardVerdict, FindingKind
from ringfence_registry.errors import EtagRequired


class SignatureRequirement(enum.Enum):
    """What a card's signatures have to show, the least first."""

    NONE = "NONE"
    """Nothing; but a signature by a known key that is not over this card refuses it."""
    VERIFIED = "VERIFIED"
    """At least one verifies."""
    FULL_COVERAGE = "FULL_COVERAGE"
    """At least one verifies and covers the whole card."""

    def asks_less_than(self, other: "SignatureRequirement") -> bool:
        """Say whether `other` is the stricter of the two."""
        return _FROM_LEAST[self] < _FROM_LEAST[other]


_FROM_LEAST = {requirement: place for place, requirement in enumerate(SignatureRequirement)}


LEAST_VERDICT = CardVerdict.UPCONVERTED
"""The worst verdict that is admitted where neither the namespace nor the registry's settings say another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is let in. The defaults are those of the registry."""

    least_verdict: CardVerdict | None = None
    """The worst verdict that is admitted; never UNREADABLE. None is the registry's default."""
    signatures: SignatureRequirement = SignatureRequirement.NONE
    refuse_breaking_changes: bool = False
    """Refuse a card that breaks callers of the present one."""
    refuse_look_alikes: bool = False
    """Refuse an agent whose name looks like that of another agent of the namespace."""
    refused_findings: tuple[FindingKind, ...] = ()
    """Refuse a card with a finding of one of these kinds; each once, in the order of their declaration."""
    trusted_jwks: str = ""
    """Keys trusted for signatures beside those identity knows: a JSON Web Key Set, checked when it was set."""

    def admits(self, verdict: CardVerdict) -> bool:
        """Say whether a card with this verdict is let in, as far as the verdict goes."""
        return not verdict.is_worse_than(self.least_verdict or LEAST_VERDICT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespacePolicy:
    """All that a namespace asks."""

    admission: Admission = field(default_factory=Admission)
    review_required: bool = False
    """Every agent starts as a draft and needs an approver."""
    distinct_approver_required: bool = False
    """The approver of an agent may not be who submitted it."""
    etag_required: bool = False
    """A change of something that exists has to name the etag it is based on."""

    def in_force(self, least_verdict: CardVerdict) -> "NamespacePolicy":
        """Return what is asked where `least_verdict` is the registry's default."""
        if self.admission.least_verdict is not None:
            return self
        return replace(self, admission=replace(self.admission, least_verdict=least_verdict))

    def require_etag(self, name: str, etag: str) -> None:
        """Raise `EtagRequired` when the change of `name` names no etag and has to."""
        if self.etag_required and not etag:
            raise EtagRequired(name=name)


DEFAULT_POLICY = NamespacePolicy()


class PolicyReader(Protocol):
    """Knows the policy of every namespace."""

    def policy_of(self, namespace: str) -> NamespacePolicy:
        """Return what the namespace with this id asks now. A dictionary look-up."""
        ...

    @property
    def default_policy(self) -> NamespacePolicy:
        """What a namespace asks that nobody set up."""
        ...
