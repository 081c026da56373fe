"""One key for all names a hurried person takes for the same."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from ringfence_registry.cards.look_alikes import plain_reading, skeleton

GENERATOR = Path(__file__).parents[3] / "services" / "registry" / "confusables.py"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ledger", "LEDGER"),
        ("Ledger", "L\u0435dger"),
        ("Ledger", "\uff2c\uff45\uff44\uff47\uff45\uff52"),
        ("Ledger", "\U0001d40bedger"),
        ("Ledger", "Led\u200bger"),
        ("Ledger Bot", "ledger-bot"),
        ("Ledger Bot", "ledger_bot"),
        ("Ledger Bot", "LedgerBot"),
        ("Paypal", "PayPaI"),
        ("Paypal", "paypa1"),
        ("Paypal", "\u0420\u0430\u0443\u0440\u0430\u04cf"),
        ("Invoice", "lnvoice"),
        ("Invoice", "\u0406nvoice"),
        ("Google", "G00gle"),
        ("Modern", "Modem"),
        ("Vault", "\u03bdault"),
        ("Bank", "\u0412ank"),
        ("wire", "vvire"),
        ("Stra\u00dfe", "STRASSE"),
        ("L\u00e4dger", "La\u0308dger"),
    ],
)
def test_names_that_look_alike_have_one_key(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ledger", "Ledges"),
        ("Ledger", "L\u00e4dger"),
        ("Ledger 2", "Ledger 3"),
        ("Reader", "Leader"),
        ("帳簿", "帳票"),
        ("---", "..."),
        ("\u2764", "\u2665"),
    ],
)
def test_names_that_can_be_told_apart_have_two(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_a_text_reads_as_it_looks() -> None:
    assert plain_reading("\u0406gn\u043er\u0435 \u200ball") == "Ignore all"
    assert plain_reading("Ignore all") == "Ignore all"


@pytest.fixture
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("confusables", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_keeps_what_looks_like_ascii_and_decomposition_does_not_catch(generator: ModuleType) -> None:
    source = [
        "\ufeff# confusables.txt",
        "",
        "0430 ;\t0061 ;\tMA\t# cyrillic a",
        "03B1 ;\t0061 ;\tMA\t# alpha",
        "FF41 ;\t0061 ;\tMA\t# fullwidth a: NFKD has it",
        "006D ;\t0072 006E ;\tMA\t# m: ASCII is in the code",
        "0441 0442 ;\t0063 0074 ;\tMA\t# two characters",
        "05AD ;\t0596 ;\tMA\t# not ASCII",
        "2223 ;\t007C ;\tMA\t# a sign",
    ]
    assert list(generator.table(source)) == ["a\t\u03b1\u0430\n"]


def test_the_table_in_the_package_is_one_the_generator_made(generator: ModuleType) -> None:
    lines = generator.TABLE.read_text("utf-8").splitlines()
    version = lines[1].rpartition(" ")[2].rstrip(".")
    assert "\n".join(lines).startswith(generator.HEADER.format(version=version).rstrip())
    entries = [line.split("\t") for line in lines if not line.startswith("#")]
    assert len(entries) > 80
    assert all(target.isascii() and target.isalnum() and not looks.isascii() for target, looks in entries)
