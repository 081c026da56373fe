"""Places in status lists: one for every certificate, none twice, and none that tells when it was given out."""

from itertools import pairwise

import pytest
from ringfence_identity.status.places import PLACES, StatusPlace, place_of
from ringfence_kit.clock import EPOCH
from ringfence_kit.sealed_keys import MacKey

pytestmark = pytest.mark.usefixtures("at_full_speed")

KEY = MacKey(key_id="k", secret=b"\x01" * 32, created_at=EPOCH)
OTHER = MacKey(key_id="o", secret=b"\x02" * 32, created_at=EPOCH)


def indices(numbers: range, key: MacKey = KEY) -> list[int]:
    return [place_of(number, key).index for number in numbers]


def test_the_first_places_are_known_answers() -> None:
    """A version that gave out other places would give out some twice."""
    assert indices(range(4)) == [91219, 72182, 94677, 42513]
    assert place_of(PLACES, KEY) == StatusPlace(number=PLACES, pair=2, index=79642)


def test_a_list_is_filled_without_a_collision_to_the_last_place() -> None:
    assert sorted(indices(range(PLACES))) == list(range(PLACES))


def test_a_place_names_its_pair_of_lists() -> None:
    last, first = place_of(PLACES - 1, KEY), place_of(PLACES, KEY)
    assert (last.pair, last.revocation_list, last.suspension_list) == (1, 1, 2)
    assert (first.pair, first.revocation_list, first.suspension_list) == (2, 3, 4)


def test_places_do_not_show_the_order_they_were_given_out_in() -> None:
    given = indices(range(2_000))
    rising = sum(one < two for one, two in pairwise(given))
    assert 900 < rising < 1_100
    near = sum(abs(one - two) < PLACES // 100 for one, two in pairwise(given))
    assert near < 100
    thirds = [sum(index * 3 // PLACES == third for index in given) for third in range(3)]
    assert all(560 < count < 780 for count in thirds)


def test_another_key_and_another_pair_give_other_places() -> None:
    one, two, next_pair = indices(range(500)), indices(range(500), OTHER), indices(range(PLACES, PLACES + 500))
    for others in (two, next_pair):
        assert sum(a == b for a, b in zip(one, others, strict=True)) < 5
