"""Who sees which namespaces: every kind of caller against every kind of namespace."""

from dataclasses import replace

import pytest
from ringfence_kit import records
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_registry.cards.model import CardVerdict
from ringfence_registry.model import AGENT, Agent, AgentState
from ringfence_registry.namespaces.audience import Audience, Visibility
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.model import NAMESPACE, Namespace, NamespaceDefaults
from ringfence_registry.namespaces.policy import LEAST_VERDICT, Admission, NamespacePolicy
from ringfence_registry.namespaces.visible import EVERYTHING
from support.registry.agents import an_agent

DID = "did:web:dev.id.example.com:agents:clerk"

PRIVATE = Namespace(id="hidden", visibility=Visibility.PRIVATE)
ENTITLED = Namespace(id="shared", visibility=Visibility.ENTITLED, entitled=frozenset({"guests"}))
PUBLIC = Namespace(id="open", visibility=Visibility.PUBLIC)
ALL = ("hidden", "shared", "open", "guests", "nobody-ever-used")


def caller(*roles: Role, principal: str = "somebody", namespaces: tuple[str, ...] = ()) -> Caller:
    return Caller(principal=principal, roles=frozenset(roles), namespaces=frozenset(namespaces))


def book(default: Visibility = Visibility.PRIVATE, *agents: Agent) -> NamespaceBook:
    known = NamespaceBook(NamespaceDefaults(visibility=default))
    known.fill([PRIVATE, ENTITLED, PUBLIC], agents)
    return known


def sees(known: NamespaceBook, who: Caller) -> set[str]:
    return set(known.visible(who).among(ALL))


def happened(change: Change, record: Agent | Namespace, revision: int = 1) -> Event:
    kind = AGENT if isinstance(record, Agent) else NAMESPACE
    return Event(
        revision=Revision(revision),
        change=change,
        kind=kind,
        name=str(record.name),
        record=records.encode(record),
        at=Instant(0),
        actor="somebody",
    )


def with_did(agent: Agent, did: str = DID) -> Agent:
    return replace(agent, spec=replace(agent.spec, did=did))


@pytest.mark.parametrize("role", [Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE, Role.APPROVER, Role.GATEWAY])
def test_who_oversees_everything_sees_everything(role: Role) -> None:
    assert book().visible(caller(role)) is EVERYTHING


@pytest.mark.parametrize("role", [Role.NAMESPACE_OWNER, Role.APPROVER, Role.GATEWAY])
def test_who_is_bound_sees_its_own_and_what_is_shown_to_it(role: Role) -> None:
    assert sees(book(), caller(role, namespaces=("hidden",))) == {"hidden", "open"}
    assert sees(book(), caller(role, namespaces=("guests",))) == {"guests", "shared", "open"}
    assert sees(book(), caller(role, namespaces=("elsewhere",))) == {"open"}


def test_an_owner_of_nothing_an_agent_nobody_registered_and_nobody_see_what_is_public() -> None:
    for who in (caller(Role.NAMESPACE_OWNER), caller(Role.AGENT, principal=DID), ANONYMOUS):
        assert sees(book(), who) == {"open"}
    assert book().published().among(ALL) == ["open"]


def test_namespaces_count_with_a_role_only() -> None:
    assert sees(book(), caller(namespaces=("hidden",))) == {"open"}
    assert sees(book(), caller(Role.AGENT, namespaces=("hidden",))) == {"open"}


def test_where_everything_is_public_but_what_is_not() -> None:
    known = book(Visibility.PUBLIC)
    assert sees(known, ANONYMOUS) == {"open", "guests", "nobody-ever-used"}
    assert sees(known, caller(Role.NAMESPACE_OWNER, namespaces=("guests",))) == {*ALL} - {"hidden"}
    assert sees(known, caller(Role.NAMESPACE_OWNER, namespaces=("hidden",))) == {*ALL} - {"shared"}


def test_an_agent_is_at_home_where_it_is_registered_as_long_as_it_serves() -> None:
    who, home = caller(Role.AGENT, principal=DID), with_did(an_agent("clerk", namespace="guests"))
    known = book()
    assert sees(known, who) == {"open"}
    known.apply(happened(Change.ADDED, home))
    assert sees(known, who) == {"guests", "shared", "open"}
    known.apply(happened(Change.MODIFIED, with_did(home, "did:web:another")))
    assert sees(known, who) == {"open"}
    known.apply(happened(Change.MODIFIED, home))
    known.apply(happened(Change.MODIFIED, replace(home, state=AgentState.RETIRED)))
    assert sees(known, who) == {"open"}


def test_an_agent_registered_twice_stays_while_one_of_them_does() -> None:
    who = caller(Role.AGENT, principal=DID)
    first, second = (with_did(an_agent(name, namespace="guests")) for name in ("first", "second"))
    known = book(Visibility.PRIVATE, first, second)
    known.apply(happened(Change.DELETED, first))
    assert "guests" in sees(known, who)
    known.apply(happened(Change.DELETED, second))
    assert "guests" not in sees(known, who)


def test_an_agent_is_at_home_where_identity_says_it_is() -> None:
    known = NamespaceBook(NamespaceDefaults(), home_by_identity={DID: "hidden"}.get)
    known.fill([PRIVATE], [])
    assert sees(known, caller(Role.AGENT, principal=DID)) == {"hidden"}
    assert sees(known, caller(Role.GATEWAY, principal=DID, namespaces=("guests",))) == {"guests"}


def test_a_change_of_audience_holds_from_its_event_on() -> None:
    known, who = book(), caller(Role.NAMESPACE_OWNER, namespaces=("guests",))
    known.apply(happened(Change.MODIFIED, replace(ENTITLED, visibility=Visibility.PRIVATE)))
    assert sees(known, who) == {"guests", "open"}
    known.apply(happened(Change.MODIFIED, replace(PRIVATE, visibility=Visibility.PUBLIC)))
    assert sees(known, who) == {"guests", "open", "hidden"}


def test_every_name_has_a_policy_and_those_in_use_are_listed() -> None:
    known = book(Visibility.PRIVATE, an_agent("clerk", namespace="guests"))
    assert known.policy_of("nobody-ever-used") == known.default_policy == NamespacePolicy().in_force(LEAST_VERDICT)
    strict = NamespacePolicy(review_required=True, admission=Admission(least_verdict=CardVerdict.VALID))
    known.apply(happened(Change.ADDED, Namespace(id="strict", policy=strict)))
    known.apply(happened(Change.ADDED, an_agent("clerk", namespace="a-new-one"), 2))
    assert known.policy_of("strict") == strict
    assert list(known.ids()) == ["a-new-one", "guests", "hidden", "open", "shared", "strict"]
    assert list(known.ids(after="guests")) == ["hidden", "open", "shared", "strict"]


def test_a_ceiling_holds_against_a_default_that_was_widened() -> None:
    ceiling = Audience(visibility=Visibility.ENTITLED, entitled=frozenset({"guests"}))
    capped = Namespace(id="capped", ceiling=ceiling)
    assert capped.audience(Visibility.PRIVATE).visibility is Visibility.PRIVATE
    assert capped.audience(Visibility.PUBLIC) == ceiling


def test_a_setting_holds_for_who_said_nothing_of_it_also_in_a_namespace_that_was_set_up() -> None:
    known = NamespaceBook(NamespaceDefaults(least_verdict=CardVerdict.NONCONFORMANT))
    strict = NamespacePolicy(admission=Admission(least_verdict=CardVerdict.UPCONVERTED))
    known.fill([Namespace(id="named", display_name="Named"), Namespace(id="strict", policy=strict)], ())
    for namespace in ("nobody-ever-used", "named"):
        assert known.policy_of(namespace).admission.admits(CardVerdict.NONCONFORMANT)
        assert not known.policy_of(namespace).admission.admits(CardVerdict.UNREADABLE)
    assert not known.policy_of("strict").admission.admits(CardVerdict.NONCONFORMANT)
