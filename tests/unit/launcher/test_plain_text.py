import pytest
from ringfence_launcher.plain_text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("analyst", "analyst"),
        ("Zoë 分析", "Zoë 分析"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb", "a\\x0db"),
        ("a\nb", "a\\x0ab"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("\U000e0041tag", "\\U000e0041tag"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_what_would_move_the_cursor_is_shown_instead(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_newlines_can_be_kept() -> None:
    assert plain("a\nb\x07", keep="\n") == "a\nb\\x07"
