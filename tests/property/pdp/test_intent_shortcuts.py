"""What is done in a cheaper way reads every text as the plain way does."""

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ringfence_pdp.filters.intent import evidence, features, words
from ringfence_pdp.filters.intent.heads import Scores

ODD = "\u00ad\u200b\u200d\u2060\ufe0f\ufeff\U000e0041\u034f\u061c\u180e\x00\x08\x1b\x1c\x1f\x7f\x85\t\n\v\r\u3000"
FOLDED = "\u2019ßẞøØłŁ\u0131İæÆœŒéÄǽǿ\u0301"
SIGNS = "<>;|&$(){}[]=\\%*+^~#@'\"`/"
texts = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from(ODD + FOLDED + SIGNS + "\u03a3\u03c3\u03c2AaZz 0,.-_"),
    ),
    max_size=80,
)


def plainly_folded(text: str) -> str:
    table = str.maketrans({"\u2019": "'", "ß": "ss", "ø": "o", "ł": "l", "\u0131": "i", "æ": "ae", "œ": "oe"})
    return words._MARKS.sub("", unicodedata.normalize("NFKD", text.lower().translate(table)))


def has_signs(text: str) -> bool:
    grams = features.grams(text)
    scores = Scores(np.zeros(10), np.zeros(10, dtype=np.intp), 1, grams)
    return evidence._has_signs(scores)


@given(texts)
@example(FOLDED)
@example(FOLDED.upper())
def test_letters_lose_what_the_table_takes_from_them(text: str) -> None:
    assert words.folded(text) == plainly_folded(text)


@given(texts)
@example("\x7f\u0080é\U0010ffff")
def test_signs_are_seen_wherever_they_stand_and_nothing_else_is_one(text: str) -> None:
    codes = set(features.fold(text).tolist())
    assert has_signs(text) == bool(codes & set(map(ord, SIGNS)))


@pytest.mark.parametrize("sign", SIGNS)
def test_one_sign_is_enough(sign: str) -> None:
    assert has_signs(f"a {sign} b")
    assert has_signs(f"é {sign} \u4e2d")
