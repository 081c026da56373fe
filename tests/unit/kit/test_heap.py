"""While much is loaded nothing is collected, and afterwards everything is as it was."""

import gc

import pytest
from ringfence_kit.heap import collecting_seldom, loading


def test_nothing_is_collected_while_much_is_made() -> None:
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
        with loading():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_made_is_left_alone_afterwards() -> None:
    before = gc.get_freeze_count()
    with loading():
        made = [[number] for number in range(1_000)]
    assert gc.get_freeze_count() >= before + len(made)


def test_a_load_that_fails_leaves_collection_as_it_was() -> None:
    with pytest.raises(ValueError, match="damaged"), loading():
        raise ValueError("damaged")
    assert gc.isenabled()


def test_where_objects_come_and_go_it_looks_seldom_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.isenabled()
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
