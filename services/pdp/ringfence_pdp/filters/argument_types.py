"""What an argument is written in, where the tool's contract does not say: by its name, and by what it plainly is.

The rules:

- a name that says it wins over one that may mean several things: `sql` is SQL, `query` is SQL for a database alone;
- what is a whole statement, command line or URL is judged as that whatever it is called, except where a secret belongs:
  a wrong guess costs a look with the wrong rules, so a guess is made only where it is plain;
- a name that says "one value" does not hold for a paragraph.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from ringfence_pdp.filters.finding import ArgumentType
from ringfence_pdp.filters.shapes import HEAD_MAX, is_scalar, shape_of
from ringfence_pdp.filters.words import word_set, words_of

_TABLES: Final[Mapping[ArgumentType, str]] = {
    ArgumentType.SQL: "sql ddl dml",
    ArgumentType.SHELL: "command cmd cmdline commandline shell bash argv powershell exec zsh",
    ArgumentType.PATH: "path file filename filepath pathname dir directory folder cwd workdir",
    ArgumentType.URL: "url uri href endpoint webhook link hostname host domain website callback origin",
    ArgumentType.CODE: "code script snippet program python javascript typescript notebook patch diff html template"
    " regex regexp expression formula",
    ArgumentType.SECRET: "password passwd pwd passphrase secret token apikey credential authorization cookie bearer",
    ArgumentType.IDENTIFIER: "id uuid guid name username user login surname lastname firstname key number email mail"
    " phone date day time timestamp language lang currency status state type kind format limit offset count size table"
    " column database schema city country region zone street zip tag label version sku slug recipient to cc bcc from"
    " sender owner branch repo repository project customer account order department role group category sort field"
    " unit amount price quantity model channel locale timezone page index priority",
}
_BY_WORD: Final = {word: known for known, words in _TABLES.items() for word in words.split()}

_DATABASE: Final = word_set(
    "sql db database warehouse postgres postgresql mysql mariadb sqlite bigquery snowflake redshift oracle mssql"
    " clickhouse duckdb athena presto trino databricks dataset"
)
_SHELL: Final = word_set("shell bash terminal exec execute command cmd ssh powershell console subprocess zsh")
_PLURAL_KEYS: Final = frozenset({"address", "status", "alias", "process", "class", "access", "https", "canvas"})
_STATEMENTS: Final = frozenset({"query", "statement", "stmt"})
_NO_SECRETS: Final = word_set("max min count page next num number limit total budget continuation per used")
_STATEMENT_BEGINS: Final = re.compile(
    r"\s*(?:select|insert|update|delete|drop|alter|create|truncate|grant|with|merge|explain|show)\b|.*(?:;|--|/\*)",
    re.IGNORECASE | re.DOTALL,
)


class ToolWords(NamedTuple):
    """What the names of a tool and an action say about arguments whose own names do not."""

    is_database: bool = False
    is_shell: bool = False

    @classmethod
    @lru_cache(maxsize=1_024)
    def of(cls, action: str, tool: str) -> "ToolWords":
        """Return what the two names say."""
        words = frozenset(words_of(action)) | frozenset(words_of(tool))
        return cls(not words.isdisjoint(_DATABASE), not words.isdisjoint(_SHELL))


def inferred(name: str, text: str, tool: ToolWords) -> ArgumentType:
    """Return what `text` is written in, as far as its name and its shape say."""
    by_name = _by_name(name, tool) if len(name) <= 128 else None
    if by_name is ArgumentType.SECRET:
        return by_name
    by_shape = shape_of(text)
    if by_shape is not None and not (by_shape is ArgumentType.PATH and by_name is not None):
        return by_shape
    if by_name is ArgumentType.SQL and not _STATEMENT_BEGINS.match(text[:HEAD_MAX]):
        return ArgumentType.FREE_TEXT
    if by_name is ArgumentType.IDENTIFIER and not is_scalar(text):
        return ArgumentType.FREE_TEXT
    if by_name is ArgumentType.CODE and by_shape is None and is_scalar(text) and text.isalnum():
        return ArgumentType.IDENTIFIER
    return by_name or ArgumentType.FREE_TEXT


@lru_cache(maxsize=4_096)
def _by_name(name: str, tool: ToolWords) -> ArgumentType | None:
    words = words_of(name)
    if not words:
        return None
    last = _singular(words[-1])
    if last in ("key", "keys") and len(words) > 1 and words[-2] in ("api", "private", "access", "signing", "secret"):
        return ArgumentType.SECRET
    if last in _STATEMENTS:
        return ArgumentType.SQL if "sql" in words or tool.is_database else None
    if last in ("script", "code", "input", "line", "args", "argument") and tool.is_shell:
        return ArgumentType.SHELL
    known = _BY_WORD.get(last)
    if known is ArgumentType.SECRET and not _NO_SECRETS.isdisjoint(words):
        return ArgumentType.IDENTIFIER
    return known


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and word not in _PLURAL_KEYS and len(word) > 2 else word
