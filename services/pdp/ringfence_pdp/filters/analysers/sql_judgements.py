"""What is found in statements in SQL, by what it does to the data and to who may see it."""

from typing import Final

from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Judgement

TOO_LONG: Final = Judgement("sql.too-long", "evasion", MEDIUM, "the statement is too long to be read")
TOO_DEEP: Final = Judgement(
    "sql.too-deep", "evasion", HIGH, "the statement is nested deeper than any that is meant well"
)
UNREADABLE: Final = Judgement("sql.unreadable", "evasion", MEDIUM, "no dialect of SQL reads this")
SPLIT_WORDS: Final = Judgement(
    "sql.split-keyword", "evasion", HIGH, "comments hide keywords from who reads the statement"
)
DELETES_ALL: Final = Judgement("sql.deletes-every-row", "destruction", HIGH, "every row of the table is deleted")
UPDATES_ALL: Final = Judgement("sql.updates-every-row", "destruction", HIGH, "every row of the table is changed")
NEARLY_ALL: Final = Judgement("sql.nearly-every-row", "destruction", MEDIUM, "nearly every row is deleted or changed")
DROPS: Final = Judgement("sql.drops-table", "destruction", HIGH, "a table and everything in it is dropped")
DROPS_DATABASE: Final = Judgement("sql.drops-database", "destruction", HIGH, "a whole database or schema is dropped")
DROPS_OTHER: Final = Judgement("sql.drops-object", "destruction", MEDIUM, "a part of the database is dropped")
TRUNCATES: Final = Judgement("sql.truncates-table", "destruction", HIGH, "a table is emptied, past every trigger")
ALTERS: Final = Judgement(
    "sql.alters-table", "destruction", MEDIUM, "what tables look like is changed, and data may go"
)
ADDS: Final = Judgement("sql.changes-schema", "destruction", LOW, "what tables look like is changed")
HIDDEN: Final = Judgement("sql.hidden-change", "evasion", MEDIUM, "a statement that looks like a question changes data")
STACKED: Final = Judgement("sql.stacked-statement", "injection", MEDIUM, "a change follows in a second statement")
GRANTS: Final = Judgement("sql.grants-rights", "privilege", HIGH, "rights are given or taken")
ACCOUNTS: Final = Judgement("sql.changes-accounts", "privilege", HIGH, "who may log in with which rights is changed")
SERVER: Final = Judgement("sql.steers-server", "privilege", MEDIUM, "the statement steers the server and not data")
PROCEDURE: Final = Judgement("sql.runs-procedure", "privilege", MEDIUM, "a stored procedure or prepared text is run")
CODE: Final = Judgement("sql.installs-code", "privilege", HIGH, "code is installed in the database")
TAUTOLOGY: Final = Judgement("sql.tautology", "injection", HIGH, "a condition is true for every row, or made so")
CUT_OFF: Final = Judgement("sql.cut-off", "injection", HIGH, "a part of the statement is turned into a comment")
UNION_READ: Final = Judgement(
    "sql.union-read", "injection", HIGH, "rows that hold secrets or describe the database are added"
)
UNION_PROBE: Final = Judgement(
    "sql.union-probe", "injection", MEDIUM, "rows of constants are added, which shows how many columns"
)
SECRET_TABLE: Final = Judgement("sql.secret-table", "credential", HIGH, "the table holds who may log in with what")
KEYS_TABLE: Final = Judgement("sql.keys-table", "credential", MEDIUM, "the table holds keys or tokens, by its name")
SECRET_COLUMN: Final = Judgement("sql.secret-column", "credential", MEDIUM, "passwords, keys or card numbers are read")
CATALOG: Final = Judgement("sql.catalog", "credential", LOW, "the statement asks how the database is made")

ALL: Final = (
    *(TOO_LONG, TOO_DEEP, UNREADABLE, SPLIT_WORDS, DELETES_ALL, UPDATES_ALL, NEARLY_ALL, DROPS, DROPS_DATABASE),
    *(DROPS_OTHER, TRUNCATES, ALTERS, ADDS, HIDDEN, STACKED, GRANTS, ACCOUNTS, SERVER, PROCEDURE, CODE, TAUTOLOGY),
    *(CUT_OFF, UNION_READ, UNION_PROBE, SECRET_TABLE, KEYS_TABLE, SECRET_COLUMN, CATALOG),
)
