"""How much a source may hold: what a push may, judged before anything large is read."""

from collections.abc import Iterable

from ringfence_pdp.sources.source import SourceUnusable

FILES_MAX = 1_000
FILE_BYTES_MAX = 1 << 20
BUNDLE_BYTES_MAX = 4 << 20
SUFFIXES = (".yaml", ".yml")


def is_policy(path: str) -> bool:
    """Say whether a path names a policy file: a YAML file, no part of its path hidden."""
    return path.endswith(SUFFIXES) and not any(part.startswith(".") for part in path.split("/"))


def check_sizes(sizes: Iterable[tuple[str, int]]) -> None:
    """Raise SourceUnusable for nothing, and for more than a bundle may hold."""
    count = total = 0
    for path, size in sizes:
        count, total = count + 1, total + size
        if size > FILE_BYTES_MAX:
            raise SourceUnusable(f"{path} is larger than {FILE_BYTES_MAX} bytes")
    if not count:
        raise SourceUnusable("it holds no *.yaml or *.yml file")
    if count > FILES_MAX:
        raise SourceUnusable(f"it holds {count} files, {FILES_MAX} are allowed")
    if total > BUNDLE_BYTES_MAX:
        raise SourceUnusable(f"its files hold {total} bytes, {BUNDLE_BYTES_MAX} are allowed")
