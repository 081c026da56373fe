"""The order of listings, against sorting everything anew."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_identity.identity_order import FIRST, IdentityOrder, Place

namespaces = st.sampled_from(["a", "a-b", "ab", "b"])
places = st.builds(
    lambda namespace, agent, environment: Place(f"namespaces/{namespace}/agents/{agent}", environment),
    namespaces,
    st.sampled_from(["x", "x-1", "x1", "y"]),
    st.sampled_from(["dev", "prod"]),
)
asked = st.none() | st.lists(namespaces, unique=True)


def expected(taken: list[Place], after: Place, wanted: list[str] | None) -> list[Place]:
    return [
        place
        for place in sorted(set(taken))
        if place > after and (wanted is None or place.agent.split("/")[1] in wanted)
    ]


@given(st.lists(places), st.just(FIRST) | places, asked)
def test_what_comes_after_is_what_sorting_says(taken: list[Place], after: Place, wanted: list[str] | None) -> None:
    order = IdentityOrder()
    for place in taken:
        order.add(place)
    assert list(order.after(after, wanted)) == expected(taken, after, wanted)


@given(st.lists(places, unique=True), asked)
def test_made_at_once_or_one_by_one_it_is_the_same(taken: list[Place], wanted: list[str] | None) -> None:
    one_by_one = IdentityOrder()
    for place in taken:
        one_by_one.add(place)
    assert list(IdentityOrder(taken).after(FIRST, wanted)) == list(one_by_one.after(FIRST, wanted))
