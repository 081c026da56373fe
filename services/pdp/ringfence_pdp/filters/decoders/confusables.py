"""Letters that look Latin and are not, and Latin letters with something on them, as the letters they are read as.

The table is made of two things: what Unicode's names say (`LATIN SMALL LETTER E WITH ACUTE`, `LATIN LETTER SMALL
CAPITAL N`, `REGIONAL INDICATOR SYMBOL LETTER I`), and the letters below, whose shapes are alike in common fonts.

A word is folded only if all of it becomes ASCII: one that mixes alphabets nearly always does, an ordinary Russian or
Greek word hardly ever, and it stays as it was for the rules that read its language.
"""

# ruff: noqa: RUF001 - signs that are easily taken for others are what this is about
import functools
import re
import unicodedata
from collections.abc import Mapping

import re2

_READ_AS = {
    "a": "аɑαάաⲁ∂æ",
    "b": "Ьƅɓ",
    "c": "сϲⲥƈↄ",
    "d": "ԁɖɗժđð",
    "e": "еєҽⲉ℮ɛё",
    "f": "ƒք",
    "g": "ɡɠց",
    "h": "һհⲏħɦի",
    "i": "іїıɩιίⲓɪӏ",
    "j": "јϳȷյ",
    "k": "ⲕĸ",
    "l": "ӏلǀɫłלⅼ∣ו",
    "m": "ⲙɱɯ",
    "n": "ոռⲛɲɳŋ∩",
    "o": "оοօόⲟɵøס",
    "p": "рքⲣƥþ",
    "q": "ԛգզɋ",
    "r": "ⲅɼɽ",
    "s": "ѕʂսȿ",
    "t": "ⲧƭʈŧւ",
    "u": "սʉʋ∪µ",
    "v": "ѵνʋ∨",
    "w": "ԝⲱաɯ",
    "x": "хⲭ×",
    "y": "уүⲩƴჿʏ",
    "z": "ʐʑზᴢ",
    "A": "АΑΆᎪꓮⲀ",
    "B": "ВΒᏴꓐⲂ",
    "C": "СϹᏟꓚⲤ",
    "D": "ᎠꓓԀĐÐ",
    "E": "ЕЁЀΕΈᎬꓰⲈ∑",
    "F": "Ϝꓝ",
    "G": "Ԍᏻꓖ",
    "H": "НҢΗΉᎻꓧⲎ",
    "I": "ІЇΙΊӀꓲⲒ",
    "J": "ЈͿᎫꓙ",
    "K": "КҚΚᏦꓗⲔ",
    "L": "ᏞꓡԼ",
    "M": "МΜᎷꓟⲘ",
    "N": "ΝꓠⲚ",
    "O": "ОΟΌՕꓳⲞ",
    "P": "РΡᏢꓑⲢ",
    "Q": "Ԛ",
    "R": "Ꭱꓣ",
    "S": "ЅՏᏚꓢ",
    "T": "ТΤᎢꓔⲦ",
    "U": "Սꓴ",
    "V": "ѴᏙꓦ",
    "W": "ԜᎳꓪ",
    "X": "ХΧҲꓫⲬ",
    "Y": "УҮΥΎꓬⲨ",
    "Z": "ΖᏃꓜ",
    "ss": "ß",
    "oe": "œ",
    "'": "‘’‚‛′ʹʼ＇´",
    '"': "“”„‟″«»",
    "-": "‐‑‒–—―−",
    "/": "∕⁄⧸",
    "\\": "∖⧵",
    ":": "։꞉∶",
    ".": "․",
    ",": "‚",
}
"""By what is read, what stands there."""

_READ_AS_AMONG_LATIN = {
    "b": "ьвβϐ",
    "d": "ԃδ",
    "e": "εέ",
    "f": "ғϝ",
    "g": "ԍ",
    "h": "нң",
    "i": "ϊΐ",
    "k": "кқκ",
    "l": "λ",
    "m": "м",
    "n": "пηήи",
    "o": "σөѳ",
    "p": "ρ",
    "r": "гґя",
    "t": "тτ",
    "u": "υύϋΰцμ",
    "w": "ωώѡ",
    "x": "χҳ",
    "y": "ўұγ",
}
"""The same of letters that are alike only at a glance: they are folded only where a word is of two alphabets."""

_NAMED_FOR = re.compile(
    r"(?:LATIN (SMALL|CAPITAL) LETTER ([A-Z]) WITH .+"
    r"|LATIN (?:SUBSCRIPT )?SMALL LETTER (?:(?:TURNED|REVERSED|OPEN|SCRIPT|SIDEWAYS|SMALL|DOTLESS|LONG) )+([A-Z])"
    r"|(?:LATIN LETTER SMALL CAPITAL|MODIFIER LETTER(?: SMALL| CAPITAL)+|LATIN SMALL LETTER SMALL CAPITAL) ([A-Z])"
    r"|(?:REGIONAL INDICATOR SYMBOL LETTER|(?:(?:CROSSED|NEGATIVE) )*(?:SQUARED|CIRCLED) LATIN CAPITAL LETTER)"
    r" ([A-Z]))"
)
_NAMED_SO = ((0xC0, 0x2B0), (0x1D00, 0x1DC0), (0x1E00, 0x1F00), (0x2C60, 0x2C80), (0xA720, 0xA800), (0x1F130, 0x1F200))
"""Where such names are."""

_MARK = re.compile("[\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_RUN = re.compile("[A-Za-z\u00aa-\u1fff\u2c00-\u2dff\ua4d0-\uabff\ufb00-\ufdff\U0001d400-\U0001f2ff]+")
"""Letters, their marks and enclosed letters, of alphabets that are taken for Latin; no punctuation, no ideographs."""

_ACCENTED = re.compile("[\x00-\u024f\u1e00-\u1eff\u2010-\u2027\u2030-\u203a\u20ac]*")
"""What European languages in Latin letters are written with."""
_ACCENTED_SHARE = 4
"""One letter in so many may have an accent; no language we know has more, but for Vietnamese."""

_LATIN = re.compile("[A-Za-z]")
_GREEK = re.compile("[\u0370-\u03ff]")
_CYRILLIC = re.compile("[\u0400-\u052f]")
_OTHER_ALPHABET = re.compile("[\u0370-\u052f]")
_PIECE = 1_024


def folded(text: str) -> str:
    """Return the text with every word that can be read as ASCII written so."""
    if text.isascii():
        return text
    text = _sign().sub(lambda match: _signs()[match[0]], text)
    bare = _bare(text)
    if bare.isascii():
        return bare
    if not _worth_reading().search(text):
        return text
    is_disguised = any(_LATIN.search(run) and _OTHER_ALPHABET.search(run) for run in _RUN.findall(text))
    return _RUN.sub(lambda match: _read(match[0], is_among_latin=is_disguised), text)


def is_accented(text: str) -> bool:
    """Say whether what is not ASCII in a text is what languages in Latin letters have, and no more than they have."""
    others = len(text) - len(text.encode("ascii", "ignore"))
    return others * _ACCENTED_SHARE < len(text) and _ACCENTED.fullmatch(text) is not None


def _read(run: str, *, is_among_latin: bool) -> str:
    """Return a run of letters as ASCII if all of it can be read so.

    One word of two alphabets is no accident: then words of one other alphabet are read as those that are mixed.
    """
    if run.isascii():
        return run
    bare = _bare(run).translate(_letters())
    if not bare.isascii() and (is_among_latin or _LATIN.search(run) or (_GREEK.search(run) and _CYRILLIC.search(run))):
        bare = bare.translate(_letters_among_latin())
    return bare if bare.isascii() else run


def _bare(text: str) -> str:
    """Return letters without their marks."""
    # In pieces: putting marks in a row in order takes quadratic time.
    pieces = range(0, len(text), _PIECE)
    return _MARK.sub("", "".join(unicodedata.normalize("NFD", text[place : place + _PIECE]) for place in pieces))


@functools.cache
def _worth_reading() -> re2._Regexp:
    """Tell whether any word may become ASCII: letters of two kinds are side by side, or a word has only look-alikes."""
    sure = re2.escape("".join(map(chr, _letters())))
    other = sure + re2.escape("".join(map(chr, _letters_among_latin()))) + r"\x{C0}-\x{24F}\x{1E00}-\x{1EFF}\p{Mn}"
    mixed = f"[A-Za-z][{other}]|[{other}][A-Za-z]"
    return re2.compile(rf"{mixed}|(?:^|[^\pL\pN])[{sure}\p{{Mn}}]{{4,}}(?:[^\pL\pN]|$)|\p{{So}}")


@functools.cache
def _letters() -> Mapping[int, str]:
    table = {ord(seen): read for read, alike in _READ_AS.items() for seen in alike if read.isalpha()}
    for start, end in _NAMED_SO:
        for code in range(start, end):
            match = _NAMED_FOR.fullmatch(unicodedata.name(chr(code), ""))
            if match and code not in table:
                table[code] = next(letter for letter in match.groups()[1:] if letter).lower()
    return table


@functools.cache
def _letters_among_latin() -> Mapping[int, str]:
    return {ord(seen): read for read, alike in _READ_AS_AMONG_LATIN.items() for seen in alike}


@functools.cache
def _signs() -> Mapping[str, str]:
    return {seen: read for read, alike in _READ_AS.items() for seen in alike if not read.isalpha()}


@functools.cache
def _sign() -> re.Pattern[str]:
    return re.compile(f"[{re.escape(''.join(_signs()))}]")
