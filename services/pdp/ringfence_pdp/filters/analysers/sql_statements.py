"""Statements in SQL: read in the dialects there are (`sql_reading.py`), and judged by what they do (`sql_trees.py`).

The rules:

- a text that no dialect can read is not judged by guessing: that it cannot be read is the finding, and so is that it
  is too long or nested too deep to be read in time;
- a few phrases are found in any text, because no parser knows them all;
- statements are never logged: there are values in them.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from ringfence_pdp.filters.analysers import sql_fragments, sql_functions
from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, Hit, Judgement
from ringfence_pdp.filters.analysers.sql_judgements import (
    ACCOUNTS,
    CODE,
    CUT_OFF,
    DELETES_ALL,
    DROPS,
    DROPS_DATABASE,
    GRANTS,
    SERVER,
    SPLIT_WORDS,
    TOO_DEEP,
    TOO_LONG,
    TRUNCATES,
    UNREADABLE,
    UPDATES_ALL,
)
from ringfence_pdp.filters.analysers.sql_tokens import COMMENT, END, STRING, Tokens, tokens_of

LENGTH_MAX: Final = 8_192
NESTING_MAX: Final = 24
TOKENS_MAX: Final = 2_000

_NO_STATEMENT: Final = re.compile(r"[o=&]{6}|[?]{4}|[;]{16}")
"""Sequences of tokens that stand in no dialect's statements, though parsers take long to find out."""
_PLACEHOLDER: Final = re.compile(r"%\(\w{1,64}\)s|%s|\{\{[^{}]{0,128}\}\}|\$\{\w{1,64}\}|\{\w{1,64}\}")
_VERSIONED: Final = re.compile(r"/\*!\d{0,6}((?:[^*]|\*(?!/)){0,4096})\*/")
_FOUL_COMMENT: Final = re.compile(
    r"^\s*(?:['\"]\s*\)?\s*(?:and|or|;|$|\))|(?:and|or)\s+\w+\s*(?:=|<|>|like\b))", re.IGNORECASE
)
_PHRASES: Final = (
    (re.compile(r"\binto\s+(?:outfile|dumpfile)\b", re.IGNORECASE), sql_functions.FILES),
    (
        re.compile(
            r"\bload\s+data\s+(?:local\s+|low_priority\s+|concurrent\s+)*infile\b|\bbulk\s+insert\b", re.IGNORECASE
        ),
        sql_functions.FILES,
    ),
    (re.compile(r"\bcopy\b[^;]{0,512}\b(?:to|from)\s+program\b", re.IGNORECASE), sql_functions.RUNS),
    (re.compile(r"\bcopy\b[^;]{0,512}\b(?:to|from)\s+'", re.IGNORECASE), sql_functions.FILES),
    (re.compile(r"\bwaitfor\s+(?:delay|time)\b", re.IGNORECASE), sql_functions.WAITS),
    (re.compile(r"\b(?:xp_cmdshell|sp_oacreate|sp_execute_external_script)\b", re.IGNORECASE), sql_functions.RUNS),
    (re.compile(r"^\s*shutdown\b|;\s*shutdown\b", re.IGNORECASE), SERVER._replace(severity=HIGH)),
    (
        re.compile(
            r"\blanguage\s+'?(?:plpython\w*|plperlu|pltclu|c)\b|\bcreate\s+(?:or\s+replace\s+)?(?:library|assembly)\b"
            r"|\bcreate\s+extension\s+(?:if\s+not\s+exists\s+)?\"?(?:dblink|file_fdw|\w*_fdw|adminpack|lo|pl\w*u)\b",
            re.IGNORECASE,
        ),
        CODE,
    ),
    (
        re.compile(
            r"\bwith\s+(?:super|createrole|replication)|\b(?:alter|create)\s+(?:user|role|login)\b", re.IGNORECASE
        ),
        ACCOUNTS,
    ),
    (
        re.compile(
            r"\bset\s+global\b|\binstall\s+plugin\b|\balter\s+system\b|\breconfigure\b|\bpragma\s+writable_schema",
            re.IGNORECASE,
        ),
        SERVER,
    ),
)
_COMMENT: Final = re.compile(r"/\*[^*]{0,256}\*/")
_IF_UNREAD: Final = (
    (re.compile(r"\bdrop\s+(?:table|view|index)\b", re.IGNORECASE), DROPS),
    (re.compile(r"\bdrop\s+(?:database|schema|user|role)\b", re.IGNORECASE), DROPS_DATABASE),
    (re.compile(r"\btruncate\s+table\b|^\s*truncate\s+\w+\s*(?:;|$)", re.IGNORECASE), TRUNCATES),
    (
        re.compile(
            r"\bdelete\s+(?:\w+\s+)?from\s+[\w.\"`\[\]]+\s*(?:;|$|--|#|/\*|where\s+(?:1\s*=\s*1|true|1)\b)",
            re.IGNORECASE,
        ),
        DELETES_ALL,
    ),
    (re.compile(r"\bupdate\s+[\w.\"`]+\s+set\s+(?:(?!\bwhere\b)[^;]){1,512}(?:;|$)", re.IGNORECASE), UPDATES_ALL),
    (re.compile(r"\bgrant\s+[\w ,]{1,80}\s+(?:on|to)\b", re.IGNORECASE), GRANTS),
)


def warm_up() -> None:
    """Load the parser and every dialect, half a second: before the first statement and not during it."""
    from ringfence_pdp.filters.analysers import sql_reading  # noqa: PLC0415 - see `_done`

    sql_reading.warm_up()


def hits(text: str, *, is_declared: bool) -> Sequence[Hit]:
    """Return what a text does that is, or is said to be, SQL."""
    if len(text) > LENGTH_MAX:
        head = text[:LENGTH_MAX]
        return [TOO_LONG.at(0, len(text)), *_phrases(_bare(head, tokens_of(head, limit=TOKENS_MAX)))]
    return _judged(text, is_declared)


@lru_cache(maxsize=512)
def _judged(text: str, is_declared: bool) -> Sequence[Hit]:
    """Agents ask the same again and again, and reading a statement costs more than all the rest."""
    read = tokens_of(text, limit=TOKENS_MAX)
    bare = _bare(text, read)
    found = list(_phrases(bare))
    if sql_fragments.splits_words(text):
        found.append(SPLIT_WORDS.at(0, len(text)))
    if _nesting(text) > NESTING_MAX:
        return [*found, TOO_DEEP.at(0, len(text))]
    if len(read.tokens) == TOKENS_MAX:
        return [*found, TOO_LONG.at(0, len(text))]
    plain = _PLACEHOLDER.sub("?", text)
    plain = _VERSIONED.sub(r" \1 ", plain) if "*/" in plain else plain
    if not read.letters.strip(COMMENT + END):
        return found  # nothing is said
    done = None if _NO_STATEMENT.search(read.letters) else _done(plain)
    if done is None:
        found += _unread(text, bare, is_declared)
    else:
        found += [judgement.at(0, len(text)) for judgement in done]
    if any(_FOUL_COMMENT.match(comment.text.lstrip("-#/*!")) for comment in read.comments):
        found.append(CUT_OFF.at(0, len(text)))
    return found


def _done(text: str) -> Sequence[Judgement] | None:
    """Return what the statements in a text do, or None when no dialect reads them."""
    # Here and not above: the parser is 30 MB, and many a pdp that filters never sees a statement.
    from ringfence_pdp.filters.analysers.sql_reading import statements_in  # noqa: PLC0415 - see above
    from ringfence_pdp.filters.analysers.sql_trees import judgements_of  # noqa: PLC0415 - see above

    trees = statements_in(text)
    return None if trees is None else list(judgements_of(trees))


def _phrases(text: str) -> Iterator[Hit]:
    for pattern, judgement in _PHRASES:
        match = pattern.search(text)
        if match is not None:
            yield judgement.at(*match.span())


def _unread(text: str, bare: str, is_declared: bool) -> Iterator[Hit]:
    yield (UNREADABLE if is_declared else UNREADABLE.less(LOW)).at(0, len(text))
    joined = _COMMENT.sub("", text)
    for pattern, judgement in _IF_UNREAD:
        if pattern.search(bare) or pattern.search(joined):
            yield judgement.at(0, len(text))
    yield from sql_fragments.hits(text)


def _bare(text: str, read: Tokens) -> str:
    """Return `text` with blanks for comments and for what texts in it say: everything stays where it is."""
    if not read.comments and "'" not in text and '"' not in text:
        return text
    letters = list(text)
    for comment in read.comments:
        letters[comment.start : comment.end] = " " * (comment.end - comment.start)
    for token in read.tokens:
        if token.letter == STRING and token.end - token.start > 2:
            letters[token.start + 1 : token.end - 1] = " " * (token.end - token.start - 2)
    return "".join(letters)


def _nesting(text: str) -> int:
    depth = deepest = 0
    for sign in re.findall(r"[()\[\]]|\bcase\b|\bend\b", text, re.IGNORECASE):
        depth += 1 if sign.lower() in ("(", "[", "case") else -1
        deepest = max(deepest, depth)
    return deepest
