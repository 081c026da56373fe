"""Which code works things out of records: a digest of it, so that what other code worked out is never used.

It is taken of the files themselves, not of a version somebody has to think of: a new field, another rule for words or a
newer Unicode make what was kept before worthless, and nobody has to remember that.
"""

import hashlib
import sys
import unicodedata
from pathlib import Path

import ringfence_kit

import ringfence_registry

DIGEST_SIZE = 32


def digest_of_code() -> bytes:
    """Return the digest of the registry's code and of what it stands on; empty where code is not in files."""
    digest = hashlib.sha256(f"{sys.version} {sys.byteorder} {unicodedata.unidata_version}".encode())
    files = [
        (f"{package.__name__}/{path.relative_to(folder)}", path)
        for package in (ringfence_registry, ringfence_kit)
        for folder in map(Path, package.__path__)
        for path in folder.rglob("*.py")
    ]
    for name, path in sorted(files):
        content = path.read_bytes()
        digest.update(f"\n{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.digest() if files else b""
