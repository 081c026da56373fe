"""The filter language on a small resource: what it matches, and what it says when it cannot be used."""

from dataclasses import dataclass, field

import pytest
from ringfence_kit.clock import Instant
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.finding.filtering.conditions import Anywhere, Comparison
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.fields import (
    ChoiceField,
    FieldTable,
    FlagField,
    GroupField,
    MapField,
    NumberField,
    Term,
    TextField,
    TextsField,
    TimeField,
)
from ringfence_registry.finding.filtering.parser import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse
from ringfence_registry.finding.filtering.tree import Bare, Both, Either, Not, Restriction


@dataclass
class Book:
    title: str = "The Mesh"
    author: str = ""
    genre: str = "FACT"
    tags: tuple[str, ...] = ("grpc", "agents")
    pages: float | None = 320
    lent: bool | None = False
    due: Instant | None = Instant(1_767_225_600_000)  # 2026-01-01T00:00:00Z
    labels: dict[str, str] = field(default_factory=lambda: {"shelf": "A 3", "app.example.com/room": "2"})


BOOKS: FieldTable[Book] = FieldTable(
    {
        "title": TextField(lambda book: book.title, searched=True),
        "author": TextField(lambda book: book.author, indexed=True),
        "genre": ChoiceField(("FACT", "FICTION"), lambda book: book.genre, indexed=True),
        "tags": TextsField(lambda book: book.tags, indexed=True, searched=True),
        "pages": NumberField(lambda book: book.pages),
        "lent": FlagField(lambda book: book.lent),
        "due": TimeField(lambda book: book.due),
        "labels": MapField(lambda book: book.labels, indexed=True),
        "cover": GroupField(lambda book: book.title != ""),
    },
    aliases={"card.tags": "tags"},
)


def matches(text: str, book: Book | None = None) -> bool:
    return compile_filter(text, BOOKS).matches(book or Book())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        'title = "The Mesh"',
        'title="The Mesh"',
        "title = 'The Mesh'",
        "title = The*",
        'title = "*Mesh"',
        'title = "*h*M*h"',
        'title = "*"',
        "title:mesh",
        'title:"t*m"',
        "title >= The",
        'title < "The Mesi"',
        "title != Mesh",
        "genre = FACT",
        'genre = "FACT"',
        "genre:FACT",
        "genre != FICTION",
        "tags:grpc",
        'tags:"grp*"',
        "card.tags:agents",
        "tags:*",
        "pages = 320",
        "pages > 3.2e2 OR pages = 320.0",
        "pages >= 320 pages <= 320",
        "pages > -1",
        "pages < .5e4",
        "lent = false",
        "lent != true",
        'due = "2026-01-01T00:00:00Z"',
        "due = 2026-01-01T01:30:00.000+01:30",
        "due < 2026-01-01T00:00:00.000000001Z",
        "due > 2025-12-31t23:59:59.999999999z",
        "due:*",
        "labels:shelf",
        'labels:"app.example.com/room"',
        "labels:app.*",
        "labels.shelf = 'A 3'",
        "labels.shelf:a",
        "labels.app.example.com/room = 2",
        'labels."app.example.com/room" = 2',
        "labels:*",
        "cover:*",
        "mesh",
        "GRPC",
        '"he me"',
        "-lent:true",
        "NOT lent = true",
        "-(lent = true OR pages < 3)",
        "NOT author = x",
    ],
)
def test_matches(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        'title = "the mesh"',
        "title = Mesh",
        'title = "T\\*"',
        "title:missing",
        "tags:grp",
        'tags:"GRPC"',
        "lent = true",
        "labels:room",
        "labels.shelf = a",
        "absent",
        "NOT mesh",
        "mesh -grpc",
        "mesh absent",
    ],
)
def test_does_not_match(text: str) -> None:
    assert not matches(text)


@pytest.mark.parametrize(
    "text",
    ["author = x", "author != x", "author:x", "author:*", 'author = "*"', "author < x", "author >= x", 'author = ""'],
)
def test_what_is_unset_matches_nothing_not_even_a_difference(text: str) -> None:
    assert not matches(text, Book(author=""))
    assert matches(f"NOT {text}", Book(author=""))


@pytest.mark.parametrize(
    "text",
    ["pages != 1", "pages < 1", "lent != true", "due != 2026-01-01T00:00:00Z", "labels.x != y", "tags:*", "due:*"],
)
def test_unset_values_of_every_type_match_nothing(text: str) -> None:
    assert not matches(text, Book(tags=(), pages=None, lent=None, due=None, labels={}))


def test_or_binds_tighter_than_and_and_a_space_is_an_and() -> None:
    book = Book(title="a", tags=())
    assert not matches("title = x AND title = y OR title = a", book)
    assert matches("title = a AND title = y OR title = a", book)
    assert matches("title = a OR title = x AND title = y OR title = a", book)
    assert not matches("title = a OR title = x title = y", book)
    assert matches("(title = x AND title = y) OR title = a", book)


def test_the_shape_of_a_filter_follows_the_grammar() -> None:
    node = parse("a = 1 b:2 OR NOT c AND -(d)")
    match node:
        case Both((Both((Restriction(), Either((Restriction(), Not(Bare()))))), Not(Bare()))):
            pass
        case other:
            pytest.fail(f"parsed as {other}")


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("titel = x", 1, 'unknown field "titel"; did you mean title?'),
        ("mesh AND colour = red", 10, 'unknown field "colour"; known are author, cover, due, genre'),
        ("title.length = 3", 1, 'unknown field "title.length"'),
        ("genre = ESSAY", 9, '"ESSAY" is not one of FACT, FICTION'),
        ("genre = fact", 9, '"fact" is not one of FACT, FICTION'),
        ("genre > FACT", 1, "genre has no order; compare it with = or !="),
        ("genre = FACT*", 9, '"FACT*" is not one of FACT, FICTION'),
        ("lent = yes", 8, '"yes" is not true or false'),
        ("lent < true", 1, "lent has no order"),
        ("pages = many", 9, '"many" is not a number'),
        ("pages = 1e999", 9, '"1e999" is not a finite number'),
        ("pages = NaN", 9, '"NaN" is not a number'),
        ("pages = ٣", 9, "is not a number"),
        ("due > yesterday", 7, '"yesterday" is not a time such as "2026-01-31T12:00:00Z"'),
        ("due > 2026-01-01", 7, "is not a time"),
        ("due > 2026-01-01T00:00:00", 7, "is not a time"),
        ("due > 2026-13-01T00:00:00Z", 7, "is not a time"),
        ("due > 2026-01-01T00:00:00.0000000001Z", 7, "is not a time"),
        ("due > 2026-W01-1T00:00:00Z", 7, "is not a time"),
        ("tags = grpc", 1, 'tags has many values; write tags:"grpc"'),
        ("labels = x", 1, 'labels is a map; write labels.key = "value" or labels:key'),
        ("cover = x", 1, "cover is a message; ask cover:* or one of its fields"),
        ("title < a*", 9, '"*" has no place in an order'),
        ("title = ", 9, "expected a value, found the end of the filter"),
        ("title = AND", 9, 'expected a value, found "AND"'),
        ("title = (a OR b)", 9, "a comparison takes one value; write (a = 1 OR a = 2)"),
        ("= x", 1, 'expected a field, a text or a parenthesis, found "="'),
        ("AND title = x", 1, 'expected a field, a text or a parenthesis, found "AND"'),
        ("title = x AND", 14, "expected a field, a text or a parenthesis, found the end of the filter"),
        ("title = x OR OR", 14, 'expected a field, a text or a parenthesis, found "OR"'),
        ("NOT NOT lent:true", 5, 'expected a field, a text or a parenthesis, found "NOT"'),
        ("--lent:true", 2, 'expected a field, a text or a parenthesis, found "-"'),
        ("- lent:true", 3, 'no space may follow "-"'),
        ("(title = x", 1, 'this "(" is never closed'),
        ("title = x)", 10, 'this ")" closes nothing'),
        ("title = x, y", 10, 'expected AND, OR or the end, found ","'),
        ("()", 2, 'expected a field, a text or a parenthesis, found ")"'),
        ('title = "x', 9, 'the text opened here is never closed; end it with "'),
        ("title = 'x\"", 9, "the text opened here is never closed; end it with '"),
        ('title = "\\n"', 10, "unknown escape"),
        ('title = "x\\', 11, "unknown escape"),
        ("title = x and lent:true", 11, "write AND in capitals, or put the word in quotes"),
        ("not lent:true", 1, "write NOT in capitals"),
        ("labels.shelf", 1, '"labels.shelf" is not compared with anything; write labels.shelf:*'),
        ("size(tags) = 1", 1, 'there is no function "size"'),
        ('create_time > timestamp("2026-01-31T08:00:00Z")', 15, 'there is no function "timestamp"; write the value'),
        ("title.", 7, "expected the rest of the field's name, found the end of the filter"),
        (".title", 1, 'expected a field, a text or a parenthesis, found "."'),
        ("title == x", 8, 'expected a value, found "="'),
        ("title ! x", 7, 'a lone "!" means nothing; write != or NOT'),
        ('"a""b"', 4, "put a space or AND between two terms"),
        ("a\x00b", 2, "an unprintable character; put the text in quotes"),
    ],
)
def test_a_filter_that_cannot_be_used_says_where_and_what_would_be_right(text: str, column: int, problem: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text, BOOKS)
    assert caught.value.column == column
    assert problem in caught.value.problem


def test_quoted_text_takes_characters_that_mean_something_elsewhere() -> None:
    odd = 'a "b" \\ (c) = * OR d\n'
    assert matches('title = "a \\"b\\" \\\\ (c) = \\* OR d\n"', Book(title=odd))
    assert matches("title = 'a \"b\" *'", Book(title=odd))


def test_limits_are_refused_before_anything_is_read() -> None:
    assert parse("t " * (MAX_TERMS - 1) + "t") is not None
    with pytest.raises(FilterError, match=f"more than {MAX_TERMS} terms"):
        parse("t " * (MAX_TERMS + 1))
    assert parse("(" * MAX_DEPTH + "t" + ")" * MAX_DEPTH) is not None
    with pytest.raises(FilterError, match="nest deeper"):
        parse("(" * (MAX_DEPTH + 1) + "t" + ")" * (MAX_DEPTH + 1))
    with pytest.raises(FilterError, match="longer than 2000 bytes"):
        parse("ü" * (MAX_LENGTH // 2 + 1))


def test_a_message_repeats_only_the_beginning_of_a_long_text() -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(f"genre = {'x' * 1_500}", BOOKS)
    assert len(caught.value.problem) < 120


def test_a_filter_of_death_is_linear() -> None:
    pattern = '"' + "*a" * 900 + '*b"'
    assert not matches(f"title = {pattern}", Book(title="a" * 100_000))


def test_an_index_is_told_which_value_is_asked_for() -> None:
    def exact(text: str) -> object:
        condition = compile_filter(text, BOOKS).condition
        return condition.exact if isinstance(condition, Comparison) else None

    assert exact("genre = FACT") == "FACT"
    assert exact("card.tags:grpc") == "grpc"
    assert exact('labels.shelf = "A 3"') == "A 3"
    assert exact("lent = false") is False
    assert [exact(text) for text in ("genre != FACT", "tags:grp*", "author > x", "title:mesh")] == [None] * 4


def test_an_index_is_told_what_a_text_has_to_contain() -> None:
    def within(text: str) -> str:
        condition = compile_filter(text, BOOKS).condition
        return condition.within if isinstance(condition, Comparison | Anywhere) else ""

    assert (within("title:Mesh"), within('"The Mesh"'), within('title:"T*Mesh*x"')) == ("mesh", "the mesh", "mesh")
    assert (within("title = Mesh"), within("title:*")) == ("", "")


def test_every_value_of_an_indexed_field_is_a_term() -> None:
    terms = set(BOOKS.terms_of(Book()))
    assert {Term("genre", "FACT"), Term("tags", "grpc"), Term("labels", "shelf"), Term("labels.shelf", "A 3")} <= terms
    assert not any(term.field == "title" for term in terms)


def test_a_filter_says_which_fields_it_compares() -> None:
    assert compile_filter("genre = FACT (mesh OR NOT labels.shelf:*)", BOOKS).fields == {"genre", "labels.shelf"}
