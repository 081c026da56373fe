"""Matching a text against a pattern with stars, in time linear in the text for each piece: no backtracking.

A pattern is its pieces between the stars. The first and the last piece are tied to the ends of the text, the others
are found left to right, each as early as possible; if that fails no other choice can succeed.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text in which stars stand for any characters, also none."""

    pieces: tuple[str, ...]

    @staticmethod
    def of(text: str, stars: tuple[int, ...]) -> "Pattern":
        """Cut `text` at its stars."""
        cuts = (-1, *stars, len(text))
        return Pattern(tuple(text[cuts[at] + 1 : cuts[at + 1]] for at in range(len(cuts) - 1)))

    def anywhere(self) -> "Pattern":
        """Return the pattern that this one matches somewhere inside the text."""
        return Pattern(("", *self.pieces, ""))

    def folded(self) -> "Pattern":
        """Return the pattern for texts that were case-folded."""
        return Pattern(tuple(piece.casefold() for piece in self.pieces))

    def matches(self, text: str) -> bool:
        """Say whether the whole text fits."""
        first, *rest = self.pieces
        if not rest:
            return text == first
        *middle, last = rest
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True
