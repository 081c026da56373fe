"""The message of a rotation: one for every change, and no two changes share one."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence.proofs.rotation import ROTATION_PREFIX, rotation_input

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40)
keys = st.binary(min_size=32, max_size=32)
changes = st.fixed_dictionaries(
    {
        "did": texts,
        "environment": texts,
        "version_id": texts,
        "old_key": keys,
        "new_key": keys,
        "nonce": st.binary(min_size=16, max_size=64),
    }
)


@given(changes, changes)
def test_two_changes_have_two_messages(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume(one != other)
    assert rotation_input(**one) != rotation_input(**other)


@given(changes, st.sampled_from(["did", "environment", "version_id"]), st.integers(1, 20))
def test_no_text_can_be_moved_from_one_part_to_its_neighbour(change: dict[str, Any], part: str, length: int) -> None:
    """`prod` + `1-Qm` and `prod1` + `-Qm` would be the same bytes if nothing stood between."""
    following = {"did": "environment", "environment": "version_id", "version_id": "did"}[part]
    text = change[part]
    assume(len(text) > length)
    moved = {**change, part: text[:-length], following: text[-length:] + change[following]}
    assert rotation_input(**moved) != rotation_input(**change)


@given(changes)
def test_it_starts_with_what_it_is_for_and_ends_with_keys_and_nonce(change: dict[str, Any]) -> None:
    message = rotation_input(**change)
    assert message.startswith(ROTATION_PREFIX)
    assert message.endswith(b"".join(change[part] for part in ("old_key", "new_key", "nonce")))


@given(
    changes,
    st.sampled_from(
        [
            ("did", ""),
            ("environment", "pr\0od"),
            ("version_id", "\0"),
            ("old_key", bytes(31)),
            ("new_key", bytes(33)),
            ("nonce", bytes(15)),
            ("nonce", bytes(65)),
        ]
    ),
)
def test_what_cannot_be_told_apart_has_no_message(change: dict[str, Any], spoiled: tuple[str, Any]) -> None:
    part, value = spoiled
    with pytest.raises(ValueError, match=r"zero byte|bytes long"):
        rotation_input(**{**change, part: value})
