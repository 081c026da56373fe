"""Makes text from elsewhere safe to show on a terminal.

Names, purposes and messages are written by whoever registered an agent. On a terminal an escape sequence in them could
move the cursor, rewrite a line above, or hide the rest; so whatever is not printable is shown as an escape instead.
Rich's own markup is never interpreted either: what is shown goes through `rich.text.Text`, never through markup.
"""

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They reorder what the eye sees: `user\u202etxt.exe` reads as another name."""


def plain(text: str, *, keep: str = "") -> str:
    """Return `text` with every unprintable or reordering character escaped, those in `keep` excepted."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(c if c in keep or (c.isprintable() and c not in _BIDI_CONTROLS) else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
