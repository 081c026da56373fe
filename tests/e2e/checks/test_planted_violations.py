"""`make check` is worth what it catches: each rule meets a violation planted in a copy of the tree."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
PACKAGES = (
    "clients/python",
    *(f"services/{name}" for name in ("kit", "registry", "identity", "pdp", "telemetry", "launcher")),
)


@dataclass(frozen=True, slots=True)
class Plant:
    """A violation, the target that must refuse it, and a word that must stand in the refusal."""

    target: str
    plant: Callable[[Path], None]
    says: str


def append(path: str, text: str) -> Callable[[Path], None]:
    def plant(tree: Path) -> None:
        with (tree / path).open("a") as file:
            file.write(text)

    return plant


def remove(path: str, text: str) -> Callable[[Path], None]:
    def plant(tree: Path) -> None:
        before = (tree / path).read_text()
        assert text in before
        (tree / path).write_text(before.replace(text, "", 1))

    return plant


BUNDLE_PROTO = "protos/ringfence/pdp/v1/bundle.proto"
DIGEST = """  // `sha256-` and 64 hex digits over paths and contents, whatever the order they came in.
  string digest = 2 [(google.api.field_behavior) = OUTPUT_ONLY];
"""

PLANTS = {
    "a lint finding": Plant("lint", append("services/kit/ringfence_kit/ids.py", "import json\n"), "F401"),
    "a badly formatted file": Plant("lint", append("services/kit/ringfence_kit/ids.py", "x  =  1\n"), "reformat"),
    "a type error": Plant(
        # Where nobody imports it: all that does would be looked at again.
        "types",
        append("services/registry/ringfence_registry/__main__.py", '\nWRONG: int = "text"\n'),
        "assignment",
    ),
    "a service that imports another": Plant(
        "imports",
        append("services/pdp/ringfence_pdp/model.py", "\nimport ringfence_identity.model\n"),
        "ringfence_identity",
    ),
    "a kit that knows a service": Plant(
        "imports", append("services/kit/ringfence_kit/ids.py", "\nimport ringfence_pdp.model\n"), "ringfence_pdp"
    ),
    "a domain module that knows the transport": Plant(
        "imports", append("services/identity/ringfence_identity/trust/ledger.py", "\nimport grpc\n"), "grpc"
    ),
    "a domain module that knows storage": Plant(
        "imports", append("services/registry/ringfence_registry/model.py", "\nimport sqlalchemy\n"), "sqlalchemy"
    ),
    "a domain module that knows generated code": Plant(
        "imports",
        append("services/pdp/ringfence_pdp/model.py", "\nimport ringfence.pdp.v1.decision_pb2\n"),
        "decision_pb2",
    ),
    "a stale stub": Plant(
        "proto-check", append("clients/python/ringfence/pdp/v1/bundle_pb2.py", "# edited\n"), "stale"
    ),
    "a proto against the lint rules": Plant(
        "proto-check", append("protos/ringfence/pdp/v1/errors.proto", "\nmessage bad_name {}\n"), ""
    ),
    "a badly formatted proto": Plant(
        "proto-check", append("protos/ringfence/pdp/v1/errors.proto", "\n\n\n\n"), "errors.proto"
    ),
    "a broken contract": Plant("proto-check", remove(BUNDLE_PROTO, DIGEST), ""),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copyfile(ROOT / name, target)
    return tmp_path


def warm(tree: Path) -> None:
    """Give the type checker its cache, so that it looks only at what was planted."""
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", tree / ".mypy_cache")


def make(tree: Path, target: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(tree / package) for package in PACKAGES)}
    return subprocess.run(
        ["make", target, f"BIN={BIN}"],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_violation_is_refused(tree: Path, name: str) -> None:
    plant = PLANTS[name]
    plant.plant(tree)
    if plant.target == "types":
        warm(tree)

    outcome = make(tree, plant.target)

    assert outcome.returncode != 0, f"{name} was let through"
    assert plant.says in outcome.stdout + outcome.stderr


@pytest.mark.timeout(600)
def test_a_proto_that_breaks_the_contract_is_refused_by_buf_itself(tree: Path) -> None:
    """Freshness would refuse it as well; with fresh stubs it is the baseline that stands in the way."""
    remove(BUNDLE_PROTO, DIGEST)(tree)
    subprocess.run([sys.executable, "protos/generate.py"], cwd=tree, check=True)

    outcome = make(tree, "proto-check")

    assert outcome.returncode != 0
    assert '"digest" on message "Bundle" was deleted' in outcome.stdout + outcome.stderr


@pytest.mark.timeout(600)
def test_a_proto_without_comments_is_refused_by_buf_itself(tree: Path) -> None:
    append("protos/ringfence/pdp/v1/errors.proto", "\nmessage bad_name {}\n")(tree)
    subprocess.run([sys.executable, "protos/generate.py"], cwd=tree, check=True)

    outcome = make(tree, "proto-check")

    assert outcome.returncode != 0
    assert "bad_name" in outcome.stdout + outcome.stderr
