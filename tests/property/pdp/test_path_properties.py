"""A path that is seen to be plain at a glance is what it is when it is looked at closely."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ringfence_pdp.doors.paths import path_of, spelled_closely
from ringfence_pdp.doors.refusal import Refused

WORDS = [
    "/",
    "//",
    ".",
    "..",
    "a",
    "Z9",
    "_",
    "-",
    "~",
    ";",
    "\\",
    "#",
    "%",
    "%2e",
    "%41",
    "%C3%A9",
    ":",
    "@",
    "\n",
    "é",
    " ",
]


def read(path: str, *, closely: bool) -> str | None:
    try:
        return spelled_closely(path, "the path") if closely else path_of(path)
    except Refused:
        return None


@example("")
@example("/a/../b")
@example("/a/..")
@example("/a./b")
@example("/.a")
@example("/a\n")
@example("/a/\n")
@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join) | st.text(max_size=40))
def test_at_a_glance_and_closely_a_path_is_the_same(path: str) -> None:
    target = "/" + path.removeprefix("/").replace("?", "")
    assert read(target, closely=False) == read(target, closely=True)


@pytest.mark.parametrize("path", ["/", "/orders/17", "/v1/items.json/", "/a-b/c_d/e.f.g"])
def test_what_most_paths_are_stays_as_it_is(path: str) -> None:
    assert path_of(path) == path
