"""What parsed statements do: what they delete, whom they give rights, what they read.

The rules:

- what is to be found anywhere in a statement is looked for in all of its tree, so a CTE hides nothing;
- tables that are made to be thrown away (`tmp_`, `staging_`, those the same text makes) are not missed when they are.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from sqlglot import exp

from ringfence_pdp.filters.analysers import sql_functions
from ringfence_pdp.filters.analysers.judgement import LOW, MEDIUM, Judgement
from ringfence_pdp.filters.analysers.sql_judgements import (
    ACCOUNTS,
    ADDS,
    ALTERS,
    CATALOG,
    DELETES_ALL,
    DROPS,
    DROPS_DATABASE,
    DROPS_OTHER,
    GRANTS,
    HIDDEN,
    KEYS_TABLE,
    NEARLY_ALL,
    PROCEDURE,
    SECRET_COLUMN,
    SECRET_TABLE,
    SERVER,
    STACKED,
    TAUTOLOGY,
    TRUNCATES,
    UNION_PROBE,
    UNION_READ,
    UPDATES_ALL,
)
from ringfence_pdp.filters.analysers.sql_truth import always_true, nearly_always_true
from ringfence_pdp.filters.words import word_set, words_of

_THROWN_AWAY: Final = frozenset(("tmp", "temp", "temporary", "staging", "stage", "stg", "scratch", "sandbox", "cache"))
_HARMLESS_COMMANDS: Final = word_set(
    "ANALYZE BEGIN CHECKPOINT COMMIT DESC DESCRIBE END EXPLAIN FETCH LIST LISTEN OPTIMIZE REFRESH ROLLBACK"
    " SAVEPOINT SHOW"
    " START USE VACUUM VALUES CLOSE OPEN HELP SUMMARIZE"
)
_RUNS: Final = frozenset(("EXEC", "EXECUTE", "CALL", "PREPARE", "DO", "DECLARE"))
_MADE_AGAIN: Final = frozenset(("TRIGGER", "INDEX", "VIEW", "FUNCTION", "PROCEDURE"))
"""What migrations drop if it is there, because they make it next."""
_READING: Final = re.compile(r"GRANT (?:(?:SELECT|USAGE|CONNECT|REFERENCES)\b[ ,]*)+ON ")
"""Rights that change nothing, to one thing that is named."""
_TAKES_AWAY: Final = re.compile(r"\b(?:drop|disable|rename|owner|modify|no\s+force|type)\b", re.IGNORECASE)
_ACCOUNT_KINDS: Final = frozenset(("USER", "ROLE", "LOGIN"))
_CHANGES: Final = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Drop, exp.Create, exp.Alter, exp.TruncateTable)


def judgements_of(trees: Sequence[exp.Expr]) -> Iterator[Judgement]:
    """Yield what the statements do; the same may come twice."""
    made = {_name(tree.this) for tree in trees if isinstance(tree, exp.Create)}
    for place, tree in enumerate(trees):
        found = list(_of_statement(tree, made))
        yield from found
        if place and isinstance(trees[0], exp.Query) and isinstance(tree, (*_CHANGES, exp.Command, exp.Grant)):
            yield STACKED


def _of_statement(tree: exp.Expr, made: Collection[str]) -> Iterator[Judgement]:
    if isinstance(tree, exp.Command | exp.Execute):
        yield from _of_command(tree)
    for node in tree.walk():
        for kinds, judge in _JUDGES:
            if isinstance(node, kinds):
                yield from judge(node)
        if isinstance(node, exp.Drop) and not isinstance(node.parent, exp.Alter):
            yield from _of_drop(node, made)
        if node is not tree and isinstance(node, exp.Delete | exp.Update | exp.Insert):
            yield HIDDEN


def _of_rows(node: exp.Expr) -> Iterator[Judgement]:
    table = _name(node.this)
    where = node.args.get("where")
    everything = DELETES_ALL if isinstance(node, exp.Delete) else UPDATES_ALL
    joined = node.args.get("using") or node.args.get("from_") or (node.this and node.this.args.get("joins"))
    if where is None and (node.args.get("limit") or joined):
        yield NEARLY_ALL
    elif where is None or always_true(where):
        yield everything.less(LOW) if _is_thrown_away(table) else everything
    elif nearly_always_true(where) and not _is_thrown_away(table):
        yield NEARLY_ALL


def _of_drop(node: exp.Drop, made: Collection[str]) -> Iterator[Judgement]:
    kind = str(node.args.get("kind") or "").upper()
    names = [_name(each) for each in node.args.get("tables") or [node.this]]
    is_passing = all(_is_thrown_away(name) or name in made for name in names)
    if kind in ("DATABASE", "SCHEMA"):
        yield DROPS_DATABASE.less(LOW) if is_passing else DROPS_DATABASE
    elif kind in _ACCOUNT_KINDS:
        yield ACCOUNTS
    elif node.args.get("temporary") or is_passing:
        yield ADDS
    else:
        again = node.args.get("exists") and kind in _MADE_AGAIN
        yield DROPS if kind == "TABLE" else DROPS_OTHER.less(LOW if again else MEDIUM)


def _of_alter(node: exp.Alter) -> Iterator[Judgement]:
    if str(node.args.get("kind") or "").upper() in _ACCOUNT_KINDS:
        yield ACCOUNTS
        return
    actions = node.args.get("actions") or []
    drops = any(isinstance(action, exp.Drop | exp.AlterColumn | exp.AlterRename | exp.Command) for action in actions)
    yield ALTERS if drops and not _is_thrown_away(_name(node.this)) else ADDS


def _of_command(tree: exp.Expr) -> Iterator[Judgement]:
    word = str(tree.this).upper() if isinstance(tree, exp.Command) else "EXEC"
    if word in _HARMLESS_COMMANDS:
        return
    rest = str(tree.args.get("expression") or "")
    if word in ("GRANT", "REVOKE", "DENY"):
        yield GRANTS
    elif word in _RUNS:
        yield PROCEDURE
        if re.search(r"\b(?:drop|truncate)\s+\w|\bdelete\s+from\b", rest, re.IGNORECASE):
            yield DROPS
    elif word in ("CREATE", "ALTER", "DROP") and re.match(r"\s*(?:USER|ROLE|LOGIN)\b", rest, re.IGNORECASE):
        yield ACCOUNTS
    elif word in ("REPLACE", "CREATE", "COMMENT", "SET"):
        yield ADDS
    elif word in ("ALTER", "DROP", "RENAME"):
        yield ALTERS if word != "ALTER" or _TAKES_AWAY.search(rest) else ADDS
    else:
        yield SERVER


def _of_function(node: exp.Func) -> Iterator[Judgement]:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
    meant = sql_functions.judgement_of(name)
    if meant is not None:
        yield meant


def _of_select(node: exp.Select) -> Iterator[Judgement]:
    for column in node.expressions:
        if any(sql_functions.is_secret_column(each.name.lower()) for each in column.find_all(exp.Column)):
            yield SECRET_COLUMN
            return


def _of_table(node: exp.Table) -> Iterator[Judgement]:
    name, schema = node.name.lower(), (node.db or "").lower()
    if sql_functions.keeps_secrets(name, schema):
        yield SECRET_TABLE
    elif sql_functions.keeps_keys(name):
        yield KEYS_TABLE
    elif sql_functions.is_catalog(name, schema):
        yield CATALOG


def _of_union(node: exp.SetOperation) -> Iterator[Judgement]:
    added, first = node.expression, node.this
    tables = list(added.find_all(exp.Table))
    secret = any(_of_table_is_told(table) for table in tables)
    secret = secret or any(sql_functions.is_secret_column(each.name.lower()) for each in added.find_all(exp.Column))
    asks = any(sql_functions.judgement_of(each.sql_name().lower()) for each in added.find_all(exp.Func))
    if secret or asks or any(added.find_all(exp.SessionParameter, exp.Parameter)):
        yield UNION_READ
    elif not tables and any(first.find_all(exp.Table)) and _is_constant(added):
        yield UNION_PROBE


def _is_constant(query: exp.Expr) -> bool:
    return isinstance(query, exp.Select) and all(isinstance(each, exp.Null | exp.Literal) for each in query.expressions)


def _of_table_is_told(table: exp.Table) -> bool:
    return any(_of_table(table))


def _name(node: exp.Expr | None) -> str:
    while isinstance(node, exp.Schema):
        node = node.this
    return node.name.lower() if isinstance(node, exp.Table) else ""


def _is_thrown_away(name: str) -> bool:
    return name.startswith("#") or not _THROWN_AWAY.isdisjoint(words_of(name))


def _of_truncation(node: exp.Expr) -> Iterator[Judgement]:
    if not all(_is_thrown_away(_name(table)) for table in node.expressions):
        yield TRUNCATES


def _of_creation(node: exp.Expr) -> Iterator[Judgement]:
    kind = str(node.args.get("kind")).upper()
    if kind in _ACCOUNT_KINDS:
        yield ACCOUNTS
    elif kind == "TRIGGER":
        yield ADDS


def _of_rights(node: exp.Expr) -> Iterator[Judgement]:
    said = node.sql().upper()
    is_wide = "GRANT OPTION" in said or " ALL" in said or "*.*" in said or " PUBLIC" in said
    if isinstance(node, exp.Grant) and is_wide:
        yield GRANTS
    else:
        yield GRANTS.less(LOW if _READING.match(said) else MEDIUM)


def _of_server(_: exp.Expr) -> Iterator[Judgement]:
    yield SERVER


def _of_choice(node: exp.Expr) -> Iterator[Judgement]:
    if isinstance(node.parent, exp.Or):
        return  # judged with the whole chain, once: a chain of a thousand is no thousand chains
    is_condition = node.find_ancestor(exp.Where, exp.Having, exp.Join) is not None
    if is_condition and any(map(always_true, node.flatten())):
        yield TAUTOLOGY


_JUDGES: Final[Sequence[tuple[type[exp.Expr] | tuple[type[exp.Expr], ...], Callable[[Any], Iterator[Judgement]]]]] = (
    ((exp.Delete, exp.Update), _of_rows),
    (exp.TruncateTable, _of_truncation),
    (exp.Alter, _of_alter),
    (exp.Create, _of_creation),
    ((exp.Grant, exp.Revoke), _of_rights),
    ((exp.Kill, exp.Attach, exp.Detach), _of_server),
    (exp.Or, _of_choice),
    (exp.Func, _of_function),
    (exp.SetOperation, _of_union),
    (exp.Select, _of_select),
    (exp.Table, _of_table),
)
