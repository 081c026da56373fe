"""Which code works things out of records: a digest of it, so that what other code worked out is never used.

- It is taken of the files themselves, not of a version somebody has to think of: a new field, another rule for words or
  a newer Unicode make what was kept before worthless, and nobody has to remember that.
- Nor has anybody to remember which files those are: what is kept is worked out by the catalog, so they are the modules
  it is made of and whatever of ours these import, in whichever line. Of a release that changes none of them, and most
  of the registry's code is not among them, what was kept is as good as before.
"""

import ast
import hashlib
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
import ringfence
import ringfence_kit

import ringfence_registry

DIGEST_SIZE = 32

_ROOTS = ("ringfence_registry.checkpoint.keeping", "ringfence_registry.finding.catalog")
Packages: TypeAlias = Mapping[str, Sequence[str]]
"""By name, the folders a package is in."""

OURS: Packages = {each.__name__: each.__path__ for each in (ringfence_registry, ringfence_kit, ringfence)}


def digest_of_code(packages: Packages = OURS) -> bytes:
    """Return the digest of the code that makes a catalog of records; empty where code is not in files."""
    about = f"{sys.version} {sys.byteorder} {unicodedata.unidata_version} {msgspec.__version__}"
    digest = hashlib.sha256(about.encode())
    modules = modules_behind(_ROOTS, packages)
    for name in sorted(modules):
        digest.update(f"\n{name} {len(modules[name])}\n".encode())
        digest.update(modules[name])
    return digest.digest() if set(_ROOTS) <= modules.keys() else b""


def modules_behind(roots: Sequence[str], packages: Packages = OURS) -> dict[str, bytes]:
    """Return the source of `roots`, and of every module of `packages` they import, directly or not, by name."""
    found: dict[str, bytes] = {}
    left = list(roots)
    while left:
        name = left.pop()
        path = None if name in found else _file_of(name, packages)
        if path is not None:
            found[name] = path.read_bytes()
            left.extend(_imported(ast.parse(found[name])))
            left.append(name.rpartition(".")[0])  # a package runs before what is in it
    return found


def _imported(tree: ast.AST) -> Iterator[str]:
    """Yield what may be names of modules; a name that is taken from a module may be one as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _file_of(name: str, packages: Packages) -> Path | None:
    package, *parts = name.split(".")
    for folder in packages.get(package, ()):
        for path in (Path(folder, *parts).with_suffix(".py"), Path(folder, *parts, "__init__.py")):
            if (parts or path.name == "__init__.py") and path.is_file():
                return path
    return None
