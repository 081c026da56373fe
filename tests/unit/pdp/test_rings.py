"""The ring gate's table, and how a bundle makes it stricter."""

import pytest
from ringfence_pdp.model import SideEffects
from ringfence_pdp.rings import ActionClass, RingGate, RingRequirement, class_of, loosest_class


@pytest.mark.parametrize(
    ("action", "class_"),
    [
        ("read_table", ActionClass.READ),
        ("list_tables", ActionClass.READ),
        ("get_row", ActionClass.READ),
        ("read", ActionClass.WRITE),
        ("readonly_write", ActionClass.WRITE),
        ("write_table", ActionClass.WRITE),
        ("anything", ActionClass.WRITE),
        ("write_production_db", ActionClass.ELEVATED),
        ("delegate_task", ActionClass.ELEVATED),
        ("coordinate_agents", ActionClass.ELEVATED),
        ("policy_push", ActionClass.GOVERN),
        ("kill_switch_release", ActionClass.GOVERN),
    ],
)
def test_an_action_is_classed_by_its_name(action: str, class_: ActionClass) -> None:
    assert class_of(action) is class_


@pytest.mark.parametrize(
    ("effects", "read", "write"),
    [
        (SideEffects.UNKNOWN, 3, 2),
        (SideEffects.READ, 3, 2),
        (SideEffects.REVERSIBLE, 2, 2),
        (SideEffects.IRREVERSIBLE, 1, 1),
    ],
)
def test_side_effects_only_make_it_stricter(effects: SideEffects, read: int, write: int) -> None:
    gate = RingGate()
    assert (gate.required("read_table", effects), gate.required("write_table", effects)) == (read, write)


def test_the_strictest_row_that_covers_an_action_holds() -> None:
    gate = RingGate(
        [RingRequirement("read_*", 2), RingRequirement("read_secret*", 1), RingRequirement("read_secret*", 0)]
    )
    assert gate.required("read_table", SideEffects.UNKNOWN) == 2
    assert gate.required("read_secrets", SideEffects.UNKNOWN) == 0


def test_a_row_never_makes_anything_looser() -> None:
    gate = RingGate([RingRequirement("*", 2), RingRequirement("policy_*", 2)])
    assert gate.required("policy_push", SideEffects.UNKNOWN) == 0
    assert gate.required("delegate_task", SideEffects.UNKNOWN) == 1


@pytest.mark.parametrize(
    ("selector", "class_"),
    [
        ("*", ActionClass.READ),
        ("re*", ActionClass.READ),
        ("read_*", ActionClass.READ),
        ("read_secret*", ActionClass.READ),
        ("write_*", ActionClass.WRITE),
        ("write_production_*", ActionClass.ELEVATED),
        ("policy_push", ActionClass.GOVERN),
        ("export_*", ActionClass.WRITE),
    ],
)
def test_the_loosest_class_a_selector_covers(selector: str, class_: ActionClass) -> None:
    assert loosest_class(selector) is class_
