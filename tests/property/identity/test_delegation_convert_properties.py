"""Whatever comes in about delegations is judged, never stumbled over; what is kept comes out as it was."""

from contextlib import suppress

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from ringfence.identity.v1 import delegation_pb2 as pb
from ringfence.proofs.delegation_chain import DelegationError, read_chain
from ringfence.proofs.delegation_grant import Budget, GrantFormError, read_grant
from ringfence_identity.convert import delegations as convert
from ringfence_identity.delegation.model import Delegation, Position, SeenGrant
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, PageTokenInvalid
from ringfence_kit.wire import to_instant
from support.identity.delegation_chains import sound_chain

hashes = st.text("ABCab-_019", min_size=43, max_size=43)
dids = st.sampled_from([f"did:{number}" for number in range(9)])
texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=30)
amounts = st.builds(Budget, calls=st.integers(0, 10**18), cost_micros=st.integers(0, 10**18))
instants = st.integers(0, 2**41).map(Instant)


@st.composite
def delegations(draw: st.DrawFn) -> Delegation:
    """Draw a grant as it stands, of any depth."""
    depth = draw(st.integers(1, 5))
    grant = SeenGrant(
        environment=draw(texts),
        hashes=tuple(draw(st.lists(hashes, min_size=depth, max_size=depth, unique=True))),
        agents=tuple(draw(st.lists(dids, min_size=depth + 1, max_size=depth + 1, unique=True))),
        namespaces=("billing",),
        audiences=tuple(draw(st.lists(texts, max_size=3))),
        scopes=tuple(draw(st.lists(texts, max_size=3))),
        tools=draw(st.dictionaries(texts, texts, max_size=3)),
        limit=draw(amounts),
        issued_at=draw(instants),
        not_before=draw(instants),
        expires_at=draw(instants),
        seen_at=draw(instants),
    )
    revoked_at = draw(st.none() | instants)
    return Delegation(
        grant=grant, spent=draw(amounts), revoked_at=revoked_at, revocation_reason="" if revoked_at is None else "gone"
    )


@given(delegations())
def test_a_grant_is_stored_as_it_stands(delegation: Delegation) -> None:
    assert records.decode(records.encode(delegation), Delegation) == delegation
    assert records.decode(records.encode(delegation.grant), SeenGrant) == delegation.grant


@given(delegations())
def test_a_grant_is_shown_as_it_stands(delegation: Delegation) -> None:
    shown, grant = convert.delegation_to_proto(delegation), delegation.grant
    assert shown.name == f"delegations/{grant.hashes[-1]}"
    assert [*shown.ancestors, shown.name] == [f"delegations/{one}" for one in grant.hashes]
    assert (shown.origin, shown.delegator, shown.delegatee) == (grant.agents[0], grant.agents[-2], grant.agents[-1])
    assert shown.depth == len(grant.hashes)
    assert (shown.budget.calls, shown.budget.cost_micros) == (grant.limit.calls, grant.limit.cost_micros)
    assert (shown.spent.calls, shown.spent.cost_micros) == (delegation.spent.calls, delegation.spent.cost_micros)
    assert dict(shown.tools) == grant.tools
    assert (to_instant(shown.start_time), to_instant(shown.expire_time)) == (grant.not_before, grant.expires_at)
    assert shown.HasField("revoke_time") == (delegation.revoked_at is not None)


@given(st.builds(Position, seen_at=instants, path=st.lists(hashes, min_size=1, max_size=5).map("/".join)))
def test_a_place_in_the_list_survives_its_page_token(position: Position) -> None:
    request = pb.ListDelegationsRequest(environment="prod")
    assert convert.list_delegations(request, cursor=convert.cursor_of(position)).after == position


@given(st.binary(max_size=60))
def test_a_place_that_is_none_is_refused(cursor: bytes) -> None:
    with suppress(PageTokenInvalid):
        convert.list_delegations(pb.ListDelegationsRequest(environment="prod"), cursor=cursor)


@given(st.binary(max_size=120))
def test_any_bytes_are_judged(data: bytes) -> None:
    with suppress(DecodeError, InvalidRequest):
        convert.exchange_delegation(pb.ExchangeDelegationRequest.FromString(data))
    with suppress(DecodeError, InvalidRequest):
        convert.revoke_delegation(pb.RevokeDelegationRequest.FromString(data))
    with suppress(DecodeError, InvalidRequest):
        convert.list_delegations(pb.ListDelegationsRequest.FromString(data), cursor=None)


@given(st.lists(st.text(max_size=400) | st.sampled_from(sound_chain(3)), max_size=7))
def test_any_texts_are_a_chain_or_refused(grants: list[str]) -> None:
    with suppress(DelegationError):
        assert len(read_chain(grants)) == len(grants)


@given(st.text(max_size=300), st.text(max_size=300), st.integers(0, 900))
def test_no_text_makes_reading_a_grant_stumble(before: str, inserted: str, at: int) -> None:
    sound = sound_chain(1)[0]
    for text in (before, f"{sound[:at]}{inserted}{sound[at:]}"):
        with suppress(GrantFormError):
            read_grant(text)
