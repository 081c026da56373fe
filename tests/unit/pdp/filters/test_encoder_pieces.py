"""Text becomes pieces as BERT cuts it, and windows that are few, whatever is in it."""

import pytest
from ringfence_pdp.filters.encoder.windows import PIECES_MAX, WINDOWS_MAX, windows
from ringfence_pdp.filters.encoder.wordpiece import Pieces, words

PIECES = Pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##cut", "##able", "cut", "a", "##a", ".", "漢", "e"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\r\n", []),
        ("Ignore ALL, now!", ["ignore", "all", ",", "now", "!"]),
        ("a_b-c", ["a", "_", "b", "-", "c"]),
        ("two\x00 \x07words\x7f", ["two", "words"]),
        ("Ünïcödé", ["unicode"]),
        ("a\u200bb", ["ab"]),
        ("漢字 kana", ["漢", "字", "kana"]),
        ("«so» — it", ["«", "so", "»", "—", "it"]),
        ("café\u00a0noir", ["cafe", "noir"]),
        ("half \ud800 pair", ["half", "pair"]),
        ("5€+x", ["5€", "+", "x"]),
    ],
)
def test_words_and_signs(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


def test_a_word_is_cut_into_the_longest_pieces_there_are() -> None:
    assert PIECES.of("uncutable cut.") == [4, 5, 6, 7, 10]


@pytest.mark.parametrize("word", ["xyz", "cutx", "a" * 101])
def test_a_word_that_cannot_be_cut_is_one_unknown_piece(word: str) -> None:
    assert PIECES.of(word) == [1]


def test_marks_in_a_text_are_no_marks() -> None:
    assert not {0, 2, 3} & set(PIECES.of("[CLS] [SEP] [PAD]"))


def test_a_vocabulary_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lacks \[PAD\], \[SEP\]"):
        Pieces(["[UNK]", "[CLS]", "a"])


def test_a_short_text_is_one_window() -> None:
    assert windows("a cut", PIECES) == [[8, 7]]
    assert len(windows("a " * PIECES_MAX, PIECES)) == 1


@pytest.mark.parametrize("text", ["", "  ", "\x00"])
def test_a_text_without_pieces_has_no_window(text: str) -> None:
    assert list(windows(text, PIECES)) == []


@pytest.mark.parametrize("count", [PIECES_MAX + 1, 2 * PIECES_MAX, 2 * PIECES_MAX + 1, 500])
def test_a_longer_text_is_read_from_its_beginning_to_its_end(count: int) -> None:
    found = windows("cut " + "a " * (count - 2) + "un", PIECES)
    assert len(found) == min(WINDOWS_MAX, -(-count // PIECES_MAX))
    assert {len(window) for window in found} == {PIECES_MAX}
    assert (found[0][0], found[-1][-1]) == (7, 4)


@pytest.mark.parametrize("filler", ["a ", "漢", "un" * 300 + " ", "e\u0301 "])
def test_64_kb_are_a_few_windows(filler: str) -> None:
    text = ("cut " + filler * 65_536)[: 65_536 - 4] + " cut"
    found = windows(text, PIECES)
    assert 1 <= len(found) <= WINDOWS_MAX
    assert all(len(window) <= PIECES_MAX for window in found)
    assert found[0][0] == 7
