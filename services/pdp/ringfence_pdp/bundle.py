"""Bundles: the policy files that decide together, and the digest that names them.

A bundle is accepted whole or not at all, and never changes: its digest covers every path and every byte, whatever the
order the files came in, so two replicas that name the same digest decide alike.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ringfence_kit.clock import Instant

BUNDLE = "bundle"
"""The kind of a bundle's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """One YAML file."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle as it was pushed or uploaded. `files` are ordered by path."""

    digest: str
    """`sha256-` and 64 hex digits."""
    files: tuple[PolicyFile, ...]
    policy_count: int
    rule_count: int
    author: str
    pushed_at: Instant
    revision: int
    """The pdp's own revision at which it was kept, or kept anew."""

    @property
    def name(self) -> str:
        """`bundles/{digest}`."""
        return name_of(self.digest)

    @property
    def etag(self) -> str:
        """Strong etag (AIP-154). The revision is part of it: the same files pushed again are kept anew."""
        return f'"{self.revision}-{self.digest[7:23]}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """What is recorded of a bundle beside its files: read without them, a record of megabytes takes no time."""

    digest: str
    policy_count: int
    rule_count: int
    author: str
    pushed_at: Instant
    revision: int

    def over(self, files: tuple[PolicyFile, ...]) -> Bundle:
        """Return the bundle; `files` are those its digest names."""
        return Bundle(
            digest=self.digest,
            files=files,
            policy_count=self.policy_count,
            rule_count=self.rule_count,
            author=self.author,
            pushed_at=self.pushed_at,
            revision=self.revision,
        )


def name_of(digest: str) -> str:
    """Return the name of the bundle with this digest."""
    return f"bundles/{digest}"


def in_order(files: Iterable[PolicyFile]) -> tuple[PolicyFile, ...]:
    """Return `files` ordered by path."""
    return tuple(sorted(files, key=lambda file: file.path))


def digest_of(files: Iterable[PolicyFile]) -> str:
    """Return the digest that names `files`; lengths are hashed too, so no two sets share one by moving bytes."""
    digest = hashlib.sha256()
    for file in in_order(files):
        path = file.path.encode()
        digest.update(len(path).to_bytes(8, "big") + path)
        digest.update(len(file.content).to_bytes(8, "big") + file.content)
    return f"sha256-{digest.hexdigest()}"
