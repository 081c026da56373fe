"""What a value would do to a statement it is put into: the shape of its tokens, judged by patterns of our own.

`O'Brien` is a string, a word, and a string that never ends; `x' OR '1'='1` is a string, a connective and a comparison.
The rules:

- a value is read as it stands and as the rest of a string (`sql_tokens.py`); what it does in any reading counts;
- parentheses only group, so patterns do not see them;
- behind a quote any comparison that is joined on is foul; as it stands only one that is always true, because
  `status = 'open' or id = 5` is what a filter looks like.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ringfence_pdp.filters.analysers.judgement import HIGH, MEDIUM, Hit, Judgement
from ringfence_pdp.filters.analysers.sql_functions import SPECIFIC, judgement_of
from ringfence_pdp.filters.analysers.sql_judgements import CUT_OFF, TAUTOLOGY
from ringfence_pdp.filters.analysers.sql_tokens import Token, Tokens, tokens_of
from ringfence_pdp.filters.shapes import looks_like_sql

UNION: Final = Judgement("sql.union", "injection", HIGH, "the rows of another query are added")
STACKED: Final = Judgement("sql.injected-statement", "injection", HIGH, "a second statement is added")
SUBQUERY: Final = Judgement("sql.injected-query", "injection", HIGH, "another query is put into the value")
CLAUSE: Final = Judgement("sql.injected-clause", "injection", MEDIUM, "a clause is added to the statement")
EQUATION: Final = Judgement(
    "sql.injected-comparison", "injection", HIGH, "the value turns into a comparison with itself"
)
FUNCTION: Final = Judgement("sql.injected-function", "injection", HIGH, "a function is called from within the value")

ALL: Final = (UNION, STACKED, SUBQUERY, CLAUSE, EQUATION, FUNCTION)

FRAGMENT_MAX: Final = 2_048

_VALUE: Final = "[snvtwf]"
_GROUPING: Final = re.compile(r"[()]")
# Letters without parentheses, from the beginning of the value.
_BEHIND_A_QUOTE: Final = re.compile(
    rf"^s(?:[=o]{_VALUE})*&[^&;c]{{0,6}}?(?:{_VALUE}\.?{_VALUE}?=[snvtwfE]|f|E(?:[snvf*]|w[,F])|[ntv](?:$|c)|sc)"
)
_AS_IT_STANDS: Final = re.compile(r"^[sntv]&(?:o?[snvt]=o?[snvt]|f[snvtw,*=]|E(?:[snvf*]|w[,F])|[t](?:$|c)|[n]c)")
_JOINED: Final = re.compile(r"&(?:o{0,2}[sntv]){1}=(?:o{0,2}[sntv])")
_SHORT: Final = re.compile(r"^s[o=]+s$")
_ENDS: Final = re.compile(r"^s;?c$|^s;$")
_SUB: Final = re.compile(r"[o=&,]E(?:[snvtwf*]|o)")
_UNION: Final = re.compile(r"U(?:w|s)?E(?:[sntv*]|f|o|w[,Fco])")
_CLAUSE: Final = re.compile(r"^[sn]B(?:w)?[nfw](?:c|$|,[nw])|^[sn]Bw?[nsvf][=]|^sB")
_NOISE: Final = re.compile(r"/\*(?:[^*]|\*(?!/)){0,64}\*/")
_SPLIT: Final = re.compile(r"[A-Za-z]/\*.{0,64}?\*/[A-Za-z]|/\*!\d{0,6}\s*[A-Za-z]", re.DOTALL)
_HINTS: Final = re.compile(
    r"['\"`;#=<>(]|--|/\*|\b(?:or|and|union|select|having|order\s+by|like|sleep|waitfor|null|true)\b|\|\||&&",
    re.IGNORECASE,
)


def hits(text: str) -> Iterator[Hit]:
    """Yield what a value would do to a statement."""
    head = text[:FRAGMENT_MAX]
    if not _HINTS.search(head):
        return
    yield from _in_reading(tokens_of(head), head, quoted=False)
    for quote in "'\"":
        if quote in head:
            yield from _in_reading(tokens_of(head, quote=quote), head, quoted=True)


def _in_reading(read: Tokens, text: str, *, quoted: bool) -> Iterator[Hit]:
    letters = _GROUPING.sub("", read.letters)
    end = len(text)
    if len(letters) < 2:
        return
    if quoted and letters[0] == "s" and letters[1] in "w?n" and not _is_foul_later(letters):
        return  # an apostrophe
    if _UNION.search(letters) and _selects(read.tokens):
        yield UNION.at(0, end)
    if (quoted and _BEHIND_A_QUOTE.match(letters)) or _AS_IT_STANDS.match(letters) or _always(read.tokens):
        yield TAUTOLOGY.at(0, end)
    if quoted and _SHORT.match(letters) and _is_short(read.tokens):
        yield EQUATION.at(0, end)
    if quoted and _ENDS.match(letters) and _ends_in_comment(read.tokens, text):
        yield CUT_OFF.at(0, end)
    if _SUB.search(letters) and (quoted or letters[0] in "sn") and "F" in letters:
        yield SUBQUERY.at(0, end)
    if _CLAUSE.match(letters) and (quoted or letters.endswith("c")):
        yield CLAUSE.at(0, end)
    yield from _stacked(read.tokens, text)
    yield from _calls(read.tokens, letters, end)


def _is_foul_later(letters: str) -> bool:
    return _UNION.search(letters) is not None or _JOINED.search(letters) is not None or ";" in letters or "f" in letters


def _selects(tokens: Sequence[Token]) -> bool:
    """Say whether a union is followed by a select, with nothing but `all` or `distinct` between."""
    for place, token in enumerate(tokens):
        if token.letter == "U":
            following = [each.text for each in tokens[place + 1 : place + 4] if each.letter not in "()"]
            if following and (following[0] == "select" or following[0] == "values"):
                return True
            if len(following) > 1 and following[0] in ("all", "distinct", "distinctrow") and following[1] == "select":
                return True
    return False


def _always(tokens: Sequence[Token]) -> bool:
    """Say whether something is joined on that compares two constants that are the same."""
    bare = [token for token in tokens if token.letter not in "()"]
    for place, token in enumerate(bare):
        if token.letter != "&" or token.text in ("and", "&&"):
            continue
        three = bare[place + 1 : place + 4]
        if len(three) == 3 and three[1].text in ("=", "like", "<=", ">=", "<=>", "is") and _same(three[0], three[2]):
            return True
    return False


def _same(left: Token, right: Token) -> bool:
    if left.letter not in "snt" or right.letter not in "snt":
        return False
    return left.text.strip("'\"") == right.text.strip("'\"")


def _is_short(tokens: Sequence[Token]) -> bool:
    """Say whether what stands before the first quote is a value and no sentence, and what follows compares it."""
    bare = [token for token in tokens if token.letter not in "()"]
    operator = "".join(token.text for token in bare[1:-1])
    return (
        bare[0].end <= 32
        and " " not in bare[0].text.strip("'\" ")
        and operator in ("=", "=-", "!=", "<", ">", "<>", "^", "|", "*", "<=>")
    )


def _ends_in_comment(tokens: Sequence[Token], text: str) -> bool:
    last, first = tokens[-1], tokens[0]
    if last.letter == ";":
        return False
    said = last.text.lstrip("-#/*! ").rstrip("*/ ")
    touching = text[first.end : last.start].strip(" );") == "" and last.start - first.end <= 3
    return touching and len(said) <= 3 and " " not in first.text.strip("'\" ")


def _stacked(tokens: Sequence[Token], text: str) -> Iterator[Hit]:
    """A statement after a semicolon that the value itself, and no statement, comes before."""
    for place, token in enumerate(tokens[:32]):
        if token.letter == ";" and place <= 8 and place + 1 < len(tokens):
            rest = text[tokens[place + 1].start :]
            if looks_like_sql(_NOISE.sub(" ", rest)) and not looks_like_sql(text):
                yield STACKED.at(token.start, len(text))
                return


def _calls(tokens: Sequence[Token], letters: str, end: int) -> Iterator[Hit]:
    begun = letters[0] in "snv" and letters[1] in "&;o=U"
    for place, token in enumerate(tokens):
        if token.text == "waitfor" and place + 1 < len(tokens) and tokens[place + 1].text in ("delay", "time"):
            yield FUNCTION.at(token.start, end)
        if token.letter != "f":
            continue
        meant = judgement_of(token.text)
        if meant is not None and (token.text in SPECIFIC or begun) and (begun or meant.severity is HIGH):
            yield FUNCTION.at(token.start, token.end)


def splits_words(text: str) -> bool:
    """Say whether a comment stands where it hides a keyword from who reads it."""
    return "/*" in text and _SPLIT.search(text) is not None
