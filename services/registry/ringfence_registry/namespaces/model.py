"""A namespace as it was set up, and the rule of what its owner may change of what a platform-admin set.

The rule, exactly. A namespace has for everything its policy asks a *floor*, and for who sees it a *ceiling*:

- what a platform-admin sets is in force, and becomes the floor (or ceiling) of that field;
- an owner may set a field to anything that asks at least what its floor asks. Until a platform-admin set a field, the
  registry's default is its floor. So an owner may tighten, and take its own tightening back, and no more;
- the pinned keys are a platform-admin's alone: with a key more, more signatures verify, and with one less, a false
  signature by that key is no longer noticed, so neither way is tightening;
- an owner may show its namespace to anybody within the ceiling, or to anybody at all when there is none. A ceiling goes
  when a platform-admin sets the visibility back to the registry's default.

Hence at all times, whoever changed what in which order, the policy asks at least what its floor asks, and the audience
in force is within the ceiling.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.events import EMPTY, Revision

from ringfence_registry.cards.model import CardVerdict
from ringfence_registry.namespaces.audience import NOBODY_ELSE, Audience, Visibility
from ringfence_registry.namespaces.policy import DEFAULT_POLICY, LEAST_VERDICT, NamespacePolicy

NAMESPACE = "namespace"
"""The kind of a namespace's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceDefaults:
    """What holds where nobody said anything: the registry's settings. They are of now, and stored nowhere."""

    visibility: Visibility = Visibility.PRIVATE
    least_verdict: CardVerdict = LEAST_VERDICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A namespace. Also the stored form: fields may be added with a default, not renamed."""

    id: str
    display_name: str = ""
    """Empty stands for the id."""
    visibility: Visibility | None = None
    """None is the registry's default."""
    entitled: frozenset[str] = frozenset()
    """Ids of the namespaces whose callers see it too, while it is ENTITLED."""
    policy: NamespacePolicy = DEFAULT_POLICY
    floor: NamespacePolicy = DEFAULT_POLICY
    """What a platform-admin asked last, field by field."""
    ceiling: Audience | None = None
    """Who may see it at most; None when no platform-admin said so."""
    seen_before: Audience = NOBODY_ELSE
    """The audience that was in force before the last change, for watchers that come from before it."""
    revision: Revision = EMPTY
    """Of its last change; EMPTY while it has the defaults."""
    created_at: Instant = EPOCH
    updated_at: Instant = EPOCH

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"namespaces/{self.id}"

    @property
    def etag(self) -> str:
        """A strong etag (RFC 9110 8.8.3), also of a namespace nobody set up."""
        change = f"{self.id} {self.revision} {self.updated_at}"
        return f'"{self.revision}-{hashlib.sha256(change.encode()).hexdigest()[:12]}"'

    def audience(self, default: Visibility) -> Audience:
        """Return the audience in force, `default` being the registry's."""
        chosen = Audience(visibility=self.visibility or default, entitled=self.entitled)
        # A default that was widened since does not lift a ceiling.
        return chosen if self.ceiling is None or chosen.within(self.ceiling) else self.ceiling


def loosened(wanted: NamespacePolicy, floor: NamespacePolicy, least_verdict: CardVerdict) -> Iterator[str]:
    """Yield the path of every field in which `wanted` asks less than `floor`, `least_verdict` being the default."""
    asked, least = wanted.in_force(least_verdict).admission, floor.in_force(least_verdict).admission
    if asked.least_verdict is not None and not least.admits(asked.least_verdict):
        yield "admission.least_verdict"
    if asked.signatures.asks_less_than(least.signatures):
        yield "admission.signatures"
    if least.refuse_breaking_changes and not asked.refuse_breaking_changes:
        yield "admission.refuse_breaking_changes"
    if least.refuse_look_alikes and not asked.refuse_look_alikes:
        yield "admission.refuse_look_alikes"
    if not set(asked.refused_findings) >= set(least.refused_findings):
        yield "admission.refused_findings"
    if asked.trusted_jwks != least.trusted_jwks:
        yield "admission.trusted_jwks"
    for switch in ("review_required", "distinct_approver_required", "etag_required"):
        if getattr(floor, switch) and not getattr(wanted, switch):
            yield switch
