"""Pages of identities hold each identity that matches exactly once, and nothing a caller may not see."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.proofs.did import Host
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.identity_listing import LOOKED_AT, IdentityListing, IdentityQuery
from ringfence_identity.model import IDENTITY, AgentIdentity, IdentityStatus
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.trust.ledger import newborn
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Instant, Millis
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.pages import PageTokens
from support.identity.births import COMPLETE

NOW = Instant(1_767_225_600_000)
NAMES = ("dev", "prod")
NAMESPACES = ("a", "a-b", "b")
SPONSORS = ("sponsors/ada", "sponsors/grace")
ENVIRONMENTS = Environments(
    Environment(
        name=name,
        host=Host(f"{name}.id.example.com"),
        issuer=f"https://{name}.id.example.com",
        production=False,
        token_lifetime=Millis(300 * SECOND),
    )
    for name in NAMES
)
AUDREY = Caller(principal="audrey", roles=frozenset({Role.AUDITOR}))

agents = st.tuples(
    st.sampled_from(NAMESPACES),
    st.integers(0, 9),
    st.sampled_from(NAMES),
    st.sampled_from(IdentityStatus),
    st.sampled_from(SPONSORS),
)
queries = st.builds(
    IdentityQuery,
    namespace=st.sampled_from(["", *NAMESPACES]),
    environment=st.sampled_from(["", *NAMES]),
    status=st.none() | st.sampled_from(IdentityStatus),
    sponsor=st.sampled_from(["", *SPONSORS]),
    page_size=st.integers(1, 7),
    arguments=st.just(b"arguments"),
)


def identity(drawn: tuple[str, int, str, IdentityStatus, str]) -> AgentIdentity:
    namespace, number, environment, status, sponsor = drawn
    name = f"{namespace}-{number}-{environment}"
    return AgentIdentity(
        uid=name,
        agent=f"namespaces/{namespace}/agents/x{number}",
        environment=environment,
        did=f"did:webvh:{name}:{environment}.example:agents:{name}",
        key=f"z6Mk{name}",
        did_version_id="1-Qm",
        status=status,
        content=replace(COMPLETE, sponsor=sponsor),
        certificate_serial=1,
        certificate_hash="hash",
        trust=newborn(ring_ceiling=1, debt=0, now=NOW),
        created_at=NOW,
        updated_at=NOW,
        revision=1,
    )


class Directory:
    """A snapshot that is fed, and its listing."""

    def __init__(self, *, looked_at: int = LOOKED_AT) -> None:
        self.snapshot = IdentitySnapshot()
        self.listing = IdentityListing(
            environments=ENVIRONMENTS,
            snapshot=self.snapshot,
            tokens=PageTokens(lambda: b"k" * 32),
            looked_at=looked_at,
        )
        self._revision = 0

    def put(self, every: Iterable[AgentIdentity]) -> None:
        """Store identities, as events do."""
        for one in every:
            self._revision += 1
            self.snapshot.apply(
                Event(
                    revision=Revision(self._revision),
                    change=Change.ADDED,
                    kind=IDENTITY,
                    name=one.did,
                    record=records.encode(one),
                    at=NOW,
                    actor="ada",
                )
            )

    def pages(
        self, query: IdentityQuery, caller: Caller, between: Callable[[], None] = lambda: None
    ) -> list[tuple[AgentIdentity, ...]]:
        """Return every page of a listing; `between` is called behind each."""
        found: list[tuple[AgentIdentity, ...]] = []
        token = ""
        while True:
            page = self.listing.list_identities(replace(query, page_token=token), caller=caller, now=NOW)
            found.append(page.identities)
            token = page.next_page_token
            between()
            if not token:
                return found


def matching(directory: Directory, query: IdentityQuery, seen: Iterable[str] = NAMESPACES) -> list[AgentIdentity]:
    wanted = [
        one
        for one in directory.snapshot.identities("")
        if query.matches(one) and query.namespace in ("", one.agent.split("/")[1]) and one.agent.split("/")[1] in seen
    ]
    return sorted(wanted, key=lambda one: (one.agent, one.environment))


@given(st.lists(agents, max_size=40), queries)
def test_pages_together_are_what_matches_in_order(
    drawn: list[tuple[str, int, str, IdentityStatus, str]], query: IdentityQuery
) -> None:
    directory = Directory()
    directory.put(map(identity, drawn))
    pages = directory.pages(query, AUDREY)
    assert [one for page in pages for one in page] == matching(directory, query)
    assert all(len(page) == query.page_size for page in pages[:-1])


@given(st.lists(agents, max_size=30), st.lists(agents, max_size=30), queries)
def test_under_changes_what_was_there_all_along_is_seen_exactly_once(
    first: list[tuple[str, int, str, IdentityStatus, str]],
    later: list[tuple[str, int, str, IdentityStatus, str]],
    query: IdentityQuery,
) -> None:
    directory = Directory()
    directory.put(map(identity, first))
    there = {one.did for one in matching(directory, query)}
    changes = iter(map(identity, later))
    pages = directory.pages(
        query, AUDREY, lambda: directory.put(one for one, _ in zip(changes, range(2), strict=False))
    )
    seen = [one.did for page in pages for one in page]
    assert len(seen) == len(set(seen))
    all_along = there & {one.did for one in matching(directory, query)}
    touched = {identity(drawn).did for drawn in later}
    assert all_along - touched <= set(seen)


@given(st.lists(agents, max_size=40), queries, st.lists(st.sampled_from(NAMESPACES), min_size=1, unique=True))
def test_an_owner_is_told_of_its_own_namespaces_as_if_there_were_no_other(
    drawn: list[tuple[str, int, str, IdentityStatus, str]], query: IdentityQuery, owned: list[str]
) -> None:
    """Neither contents, nor the number and size of pages, depend on what others have."""
    olga = Caller(principal="olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset(owned))
    query = replace(query, namespace="")
    everything, own = Directory(), Directory()
    everything.put(map(identity, drawn))
    own.put(one for one in map(identity, drawn) if one.agent.split("/")[1] in owned)
    assert everything.pages(query, olga) == own.pages(query, olga)
    assert [one for page in everything.pages(query, olga) for one in page] == matching(everything, query, owned)


@given(st.lists(agents, min_size=1, max_size=40))
@settings(max_examples=20)
def test_a_page_that_looked_at_enough_goes_on_in_the_next(
    drawn: list[tuple[str, int, str, IdentityStatus, str]],
) -> None:
    directory = Directory(looked_at=3)
    directory.put(map(identity, drawn))
    query = IdentityQuery(page_size=1_000, sponsor="sponsors/ada", arguments=b"")
    pages = directory.pages(query, AUDREY)
    assert [one for page in pages for one in page] == matching(directory, query)
    assert all(len(page) <= 3 for page in pages)
