"""Words that are spelled so that only a reader sees them: letters apart, and signs for letters."""

import re
from collections import Counter

_LETTER = r"[^\W\d_]"
_BETWEEN = r"[ \t._*|~,/\\+-]{1,3}"
_APART = re.compile(rf"(?<![^\W_]){_LETTER}(?:{_BETWEEN}{_LETTER}(?![^\W_])){{3,}}")
_SEPARATOR = re.compile(_BETWEEN)
_ALL_APART = re.compile(r" {0,8}(?:[^ ] {1,8}){5,}[^ ]? {0,8}")
_SPACES = re.compile(r" +")

_EMPHASIS = re.compile(
    r"(?<=[^\W_])[*~`]{1,3}(?=[^\W_])|(?<![^\W_])[*~`]{1,3}(?=[^\W_])|(?<=[^\W_])[*~`]{1,3}(?![^\W_])"
)
_WRAPPED = re.compile(r"(?<=[^\s.!?:;])[ \t]{0,8}\r?\n[ \t>]{0,8}(?=[^\W\d_])")
_PLUS = re.compile(r"(?<=[^\W_])\+(?=[^\W_])")

_WORD = re.compile(r"[!|]?[A-Za-z0-9@$]+(?:[!|]+[A-Za-z0-9@$]+)*")
_WORD_MAX = 32
_DIGITS = re.compile(r"(?<![^\W_])[013457]{1,3}(?![^\W_])")
_SURELY = 3
"""So many words in leetspeak are no accident."""
_SIGNS = str.maketrans("013457@$!|896", "oieastasiibgg")
_DIGITS_READ = str.maketrans("013457", "oieast")
_ALNUM = re.compile(r"[A-Za-z0-9]+")
_NUMBER = re.compile(r"[2689][0-9]*\Z")
"""A number at the end of a word stays one: `b45364` is `base64`."""
_WITH_L = str.maketrans("1!|", "lll")
"""What else these may be."""


def prose(text: str) -> str:
    """Read text as sentences: without emphasis, lines that were wrapped as one, words that `+` parts as in a form."""
    text = _WRAPPED.sub(" ", _EMPHASIS.sub("", text))
    return text if " " in text else _PLUS.sub(" ", text)


def is_all_apart(text: str) -> bool:
    """Say whether a text is nothing but characters apart."""
    return _ALL_APART.fullmatch(text) is not None


def together(text: str) -> str:
    """Put letters that stand apart together, where they stand: `i-g-n-o-r-e all` is `ignore all`.

    In a text that is nothing but characters apart, whatever they are go together: `1 ;   i d` is `1; id`.
    """
    if is_all_apart(text):
        return _SPACES.sub(lambda match: " " if len(match[0]) > 1 else "", text)
    return _APART.sub(_together, text)


def spelled_out(text: str) -> str:
    """Return only what was spelled with its letters apart, put together, a line for each run."""
    return "\n".join(map(_together, _APART.finditer(text)))


def letters(text: str) -> str:
    """Read digits and signs as the letters they resemble, in words that have letters too: `1gn0r3` is `ignore`."""
    return _read(text, text.translate(_SIGNS))


def letters_with_l(text: str) -> str:
    """The same, with `1` read as the letter it resembles as much: `de1ete` is `delete`."""
    return _read(text, text.translate(_WITH_L).translate(_SIGNS))


def _together(match: re.Match[str]) -> str:
    """Words are parted by more than letters are, or by white space where letters are parted by something else."""
    run = match[0]
    separators = Counter(_SEPARATOR.findall(run))
    between = min(separators, key=lambda separator: (len(separator), separator.isspace()))
    for separator in sorted(separators, key=len, reverse=True):
        is_wider = len(separator) > len(between) or (separator.isspace() and not between.isspace())
        run = run.replace(separator, "\n" if is_wider else "")
    return run.replace("\n", " ")


def is_leetspeak(text: str) -> bool:
    """Say whether a text is leetspeak as a whole: three of its words are, or as many as are not."""
    worded = [word for word in _ALNUM.findall(text) if len(word) > 1 and word.translate(_DIGITS_READ).isalpha()]
    changed = sum(not word.isalpha() and not word.isdigit() for word in worded)
    return changed >= _SURELY or changed * 2 >= max(1, len(worded))


def leetspeak(text: str) -> str:
    """Read digits alone as letters, in words that have letters too; signs stay what they are, and so does a number."""
    return _ALNUM.sub(_read_mixed, text)


def leetspeak_with_numbers(text: str) -> str:
    """The same, and words that are all digits are words: `05` is `os`."""
    return _ALNUM.sub(lambda match: match[0].translate(_DIGITS_READ), text)


def _read_mixed(match: re.Match[str]) -> str:
    word = match[0]
    if word.isdigit() or word.isalpha() or len(word) > _WORD_MAX:
        return word
    number = _NUMBER.search(word)
    end = len(word) if number is None else number.start()
    read = word[:end].translate(_DIGITS_READ)
    return (read.upper() if word.isupper() else read) + word[end:]


def _read(text: str, meant: str) -> str:
    """Take what is meant, a character for a character, where a word is letters then and has some as it is written.

    Where that is so of three words, short ones that are all digits are words too: `15` is `is`, `70` is `to`.
    """
    words = text.split(" ")
    pairs = zip(words, meant.split(" "), strict=True)
    found = [word if word == read else _read_word(word, read) for word, read in pairs]
    if sum(word != read for word, read in zip(words, found, strict=True)) >= _SURELY:
        found = [_DIGITS.sub(lambda match: match[0].translate(_SIGNS), word) for word in found]
    return " ".join(found)


def _read_word(text: str, meant: str) -> str:
    parts: list[str] = []
    place = 0
    for match in _WORD.finditer(text):
        word, read = match[0], meant[match.start() : match.end()]
        if word != read and read.isalpha() and len(word) <= _WORD_MAX and any(map(str.isalpha, word)):
            parts += (text[place : match.start()], read)
            place = match.end()
    return "".join((*parts, text[place:]))
