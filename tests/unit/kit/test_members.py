"""Members as plain attributes: the same enumeration, and nothing runs when one is asked for."""

import enum
import pickle

import pytest
from ringfence_kit.members import plain_members


@plain_members
class Colour(enum.IntEnum):
    RED = 1
    CRIMSON = 1
    GREEN = 2

    @property
    def word(self) -> str:
        return self.name.lower()


def test_members_are_what_they_were() -> None:
    assert list(Colour) == [Colour.RED, Colour.GREEN]
    assert Colour(2) is Colour["GREEN"] is Colour.GREEN
    assert Colour["CRIMSON"] is Colour.RED
    assert Colour.GREEN.word == "green"
    assert pickle.loads(pickle.dumps(Colour.GREEN)) is Colour.GREEN


def test_they_are_found_without_running_anything() -> None:
    assert vars(Colour)["GREEN"] is Colour.GREEN


def test_they_still_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        Colour.RED = 3  # type: ignore[misc] # that is what is refused
