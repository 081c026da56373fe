"""Reads statements in SQL with the parser of sqlglot, in the dialects there are. Imported when a text needs it."""

import logging
from collections.abc import Sequence
from typing import Final

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

logging.getLogger("sqlglot").disabled = True  # it warns with the statement in its message

STATEMENTS_MAX: Final = 64

_DIALECTS: Final = ("", "postgres", "mysql", "tsql", "sqlite", "oracle")
_TRIED: Final = ((512, 6), (2_048, 3), (16_384, 2))
"""How many dialects a text is tried in: the longer it is, the fewer."""
_STATEMENTS: Final = (
    *(exp.Query, exp.DDL, exp.DML, exp.Command, exp.Drop, exp.Alter, exp.Set, exp.Show, exp.Use, exp.Pragma, exp.Copy),
    *(exp.Transaction, exp.Commit, exp.Rollback, exp.Grant, exp.Revoke, exp.Attach, exp.Detach, exp.Describe, exp.Kill),
    *(
        exp.TruncateTable,
        exp.Execute,
        exp.LoadData,
        exp.Comment,
        exp.Cache,
        exp.Analyze,
        exp.Declare,
        exp.Values,
        exp.Merge,
    ),
)


def warm_up() -> None:
    """Load every dialect."""
    for dialect in _DIALECTS:
        _read_as("select 1", dialect)


def statements_in(text: str) -> Sequence[exp.Expr] | None:
    """Return the statements in `text`, or None when no dialect reads them all."""
    dialects = ("mysql", "", "postgres") if "`" in text else _DIALECTS
    tried = next(count for length, count in _TRIED if len(text) <= length)
    for dialect in dialects[:tried]:
        trees = _read_as(text, dialect)
        if trees is not None:
            return trees
    return None


def _read_as(text: str, dialect: str) -> Sequence[exp.Expr] | None:
    try:
        read = sqlglot.parse(text, read=dialect, error_level=ErrorLevel.RAISE)
    except (SqlglotError, RecursionError):
        return None
    except Exception:  # noqa: BLE001 - whatever the parser trips over is a text it does not read
        return None
    trees = [tree for tree in read if tree is not None]
    is_sql = all(isinstance(tree, _STATEMENTS) or type(tree).__name__ == "EndStatement" for tree in trees)
    return trees[:STATEMENTS_MAX] if trees and is_sql else None
