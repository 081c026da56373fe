"""Makes `ringfence_registry/cards/confusables.txt` from Unicode's own confusables.txt (UTS #39), given as the argument.

Kept is what can be taken for an ASCII letter or digit, less what NFKD takes apart anyway: names are compared after it.
Run it when a new Unicode is out: `python services/registry/confusables.py confusables.txt`.
"""

import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

TABLE = Path(__file__).parent / "ringfence_registry" / "cards" / "confusables.txt"

HEADER = """\
# What can be taken for ASCII letters and digits: the text it looks like, then the characters that look like it.
# Made by services/registry/confusables.py from confusables.txt of UTS #39, Unicode {version}.
# Copyright 1991-2025 Unicode, Inc. Distributed under the Unicode License V3: https://www.unicode.org/license.txt
"""


def table(source: Iterable[str]) -> Iterator[str]:
    """Yield the lines of the table: a target, a tab, the characters that look like it."""
    looks: dict[str, list[str]] = defaultdict(list)
    for line in source:
        fields = [field.strip() for field in line.partition("#")[0].lstrip("\ufeff").split(";")]
        if len(fields) != 3:
            continue
        character, target = ("".join(chr(int(point, 16)) for point in field.split()) for field in fields[:2])
        stays = len(character) == 1 and unicodedata.normalize("NFKD", character) == character
        if stays and not character.isascii() and target.isascii() and target.isalnum():
            looks[target].append(character)
    for target, characters in sorted(looks.items()):
        yield f"{target}\t{''.join(sorted(characters))}\n"


def main(path: Path) -> None:
    """Write the table anew."""
    lines = path.read_text("utf-8").splitlines()
    version = next(line.partition("Version:")[2].strip() for line in lines if "Version:" in line)
    TABLE.write_text(HEADER.format(version=version) + "".join(table(lines)), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
