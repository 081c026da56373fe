"""Masks: which parts of arguments, context and labels never enter the decision log.

A mask is a path with dots between its names: `arguments.card.number`, `context.user`, `labels.owner`. `*` stands for
any one name or place in a list. `**.password` stands for that name, in whatever case, wherever it is in arguments and
context; labels say what kind of thing something is, and are masked by their path alone. What is under a masked name
goes with it. A mask that is not such a path is refused when the pdp starts.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

MASKED = "(masked)"
"""What stands in the log for what was masked."""

DEFAULT_MASKS = tuple(
    f"**.{name}"
    for name in (
        "api_key",
        "apikey",
        "access_token",
        "authorization",
        "client_secret",
        "cookie",
        "credential",
        "credentials",
        "passphrase",
        "password",
        "private_key",
        "refresh_token",
        "secret",
        "token",
    )
)
"""Names that secrets go by."""

ROOTS = ("arguments", "context", "labels")

_MASK = re.compile(r"\*\*\.[^.*]+|(arguments|context|labels)(\.[^.]+)*")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks ready to be asked."""

    anywhere: frozenset[str]
    """Names, in lower case."""
    paths: tuple[Path, ...]

    @classmethod
    def of(cls, masks: Sequence[str]) -> "Masks":
        """Return the masks written like this; `is_mask` holds of each."""
        anywhere = frozenset(mask[3:].lower() for mask in masks if mask.startswith("**."))
        return cls(anywhere, tuple(tuple(mask.split(".")) for mask in masks if not mask.startswith("**.")))

    def hide(self, path: Path) -> bool:
        """Say whether what stands at `path` is masked; its last part is a name, or a place in a list."""
        if path[-1].lower() in self.anywhere and path[0] != "labels":
            return True
        return any(
            len(mask) == len(path) and all(part in ("*", found) for part, found in zip(mask, path, strict=True))
            for mask in self.paths
        )

    def masked(self, value: object, path: Path, left_out: list[str]) -> object:
        """Return JSON without what is masked, and add the paths of that to `left_out`."""
        if self.hide(path):
            left_out.append(".".join(path))
            return MASKED
        match value:
            case Mapping():
                return {name: self.masked(inner, (*path, name), left_out) for name, inner in value.items()}
            case list():
                return [self.masked(inner, (*path, str(place)), left_out) for place, inner in enumerate(value)]
            case _:
                return value

    def also(self, paths: Collection[Path]) -> "Masks":
        """Return these masks and others, by path."""
        return Masks(self.anywhere, (*self.paths, *paths)) if paths else self


NO_MASKS = Masks(frozenset(), ())


def is_mask(text: str) -> bool:
    """Say whether `text` is a path a mask may have."""
    return _MASK.fullmatch(text) is not None
