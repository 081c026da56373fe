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
    ".": "․。",
    ",": "，‚、",
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
"""The same of letters that are alike only at a glance: they are folded only where a word has Latin letters too."""

_NAMED_FOR = re.compile(
    r"(?:LATIN (SMALL|CAPITAL) LETTER ([A-Z]) WITH .+"
    r"|LATIN (?:SUBSCRIPT )?SMALL LETTER (?:(?:TURNED|REVERSED|OPEN|SCRIPT|SIDEWAYS|SMALL|DOTLESS|LONG) )+([A-Z])"
    r"|(?:LATIN LETTER SMALL CAPITAL|MODIFIER LETTER(?: SMALL| CAPITAL)+|LATIN SMALL LETTER SMALL CAPITAL) ([A-Z])"
    r"|(?:REGIONAL INDICATOR SYMBOL LETTER|(?:(?:CROSSED|NEGATIVE) )*(?:SQUARED|CIRCLED) LATIN CAPITAL LETTER)"
    r" ([A-Z]))"
)
_NAMED_SO = ((0xC0, 0x2B0), (0x1D00, 0x1DC0), (0x1E00, 0x1F00), (0x2C60, 0x2C80), (0xA720, 0xA800), (0x1F130, 0x1F200))
"""Where such names are."""

_WORD = re2.compile(r"[\pL\p{Mn}\p{So}]+")
_MARKS = re2.compile(r"\p{Mn}+")
_LATIN = re2.compile(r"[A-Za-z]")


def folded(text: str) -> str:
    """Return the text with every word that can be read as ASCII written so."""
    if text.isascii():
        return text
    return str(_WORD.sub(_word, text)).translate(_signs())


def _word(match: re.Match[str]) -> str:
    word = match[0]
    if word.isascii():
        return word
    bare = _MARKS.sub("", unicodedata.normalize("NFD", word.translate(_letters()))).translate(_letters())
    if not bare.isascii() and _LATIN.search(word):
        bare = bare.translate(_letters_among_latin())
    return str(bare) if bare.isascii() else word


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
def _signs() -> Mapping[int, str]:
    return {ord(seen): read for read, alike in _READ_AS.items() for seen in alike if not read.isalpha()}
