"""What was found out about the built-in packs when they were made, so that not every start finds it out again.

`packs/proven.json` holds the rules as they were read and proved by their examples, and what each pattern makes
necessary; it counts only for exactly these packs, read by exactly this code. When either is another, the packs are
read and proved as any pack is, which takes some seconds. A test holds the file fresh; `python -m
ringfence_pdp.filters.proving` writes it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import msgspec

from ringfence_pdp.filters.filter_rule import FilterRule, ViewKind
from ringfence_pdp.filters.necessities import Texts, necessary
from ringfence_pdp.filters.squeezing import squeezed

Ways = Sequence[Sequence[Texts]]
"""What a pattern makes necessary; see `necessities.py`."""

FILE: Final = "proven.json"
_READ_BY: Final = ("filter_rule.py", "necessities.py", "packs.py", "rule_set.py", "squeezing.py", "views.py")


class Proven(msgspec.Struct, frozen=True):
    """Packs that are known to be good."""

    digest: str
    """Of the packs, and of the code that read them."""
    rules: tuple[FilterRule, ...]
    needed: tuple[tuple[tuple[Texts, ...], ...], ...]
    """By rule."""
    needed_apart: Mapping[str, tuple[tuple[Texts, ...], ...]]
    """By the id of a rule that also looks where letters stand apart."""

    def by_pattern(self) -> dict[str, Ways]:
        """Return what is necessary, by pattern."""
        ways: dict[str, Ways] = {rule.pattern: needed for rule, needed in zip(self.rules, self.needed, strict=True)}
        for rule in self.rules:
            if rule.id in self.needed_apart:
                ways[squeezed(rule.pattern)] = self.needed_apart[rule.id]
        return ways


def packs() -> Sequence[Traversable]:
    """Return the files of the packs."""
    files = (resources.files(__package__) / "packs").iterdir()
    return sorted((file for file in files if file.name.endswith(".yaml")), key=lambda file: file.name)


def digest() -> str:
    """Return what the packs, and the code that reads them, are told from others by."""
    here = resources.files(__package__)
    told = hashlib.sha256()
    for file in (*packs(), *(here / name for name in _READ_BY)):
        told.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return told.hexdigest()


def proven() -> Proven | None:
    """Return what is known of the packs; None when it is of others, or cannot be read."""
    try:
        found = read_proof((resources.files(__package__) / "packs" / FILE).read_bytes())
    except OSError:
        return None
    return found if found is not None and is_of_these_packs(found) else None


def read_proof(content: bytes) -> Proven | None:
    """Return what a file says, None when it says nothing."""
    try:
        return msgspec.json.decode(content, type=Proven)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def is_of_these_packs(proof: Proven) -> bool:
    """Say whether a proof is of the packs that are here, read by the code that is here."""
    return proof.digest == digest() and len(proof.rules) == len(proof.needed)


def proof_of(rules: Sequence[FilterRule]) -> Proven:
    """Return what there is to know of rules that were read and proved just now."""
    return Proven(
        digest(),
        tuple(rules),
        tuple(_needed(rule.pattern) for rule in rules),
        {rule.id: _needed(squeezed(rule.pattern)) for rule in rules if ViewKind.SPACED in rule.views},
    )


def written(proof: Proven) -> bytes:
    """Return the file, the same for the same packs on every machine."""
    return msgspec.json.format(msgspec.json.encode(proof, order="deterministic"), indent=0) + b"\n"


def main() -> None:
    """Read and prove the packs, and write down that this was done."""
    from ringfence_pdp.filters.builtin import written_rules  # noqa: PLC0415 - it asks this module in turn

    proof = proof_of(written_rules())
    Path(str(resources.files(__package__) / "packs" / FILE)).write_bytes(written(proof))


def _needed(pattern: str) -> tuple[tuple[Texts, ...], ...]:
    return tuple(tuple(sets) for sets in necessary(pattern))


if __name__ == "__main__":
    main()
