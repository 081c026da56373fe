"""Generates the committed Python stubs from the protos, or proves with `--check` that they are fresh.

The rules: proto path = proto package = Python package, so no import is ever rewritten; the generators are pinned
exactly in pyproject.toml, because generated code refuses runtimes older than its generator; generation starts from an
empty tree, so a deleted proto takes its stubs along.
"""

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
DEPS = ROOT / ".build" / "proto-deps"
CLIENT = ROOT / "clients" / "python"
DEPENDENCIES = ("google/api/field_behavior.proto", "google/rpc/error_details.proto", "google/rpc/status.proto")


def copy_dependencies() -> None:
    """Lay the imported google protos out as plain files, where protoc and buf find them."""
    installed = {str(path): path for path in files("googleapis-common-protos") or ()}
    for name in DEPENDENCIES:
        target = DEPS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(installed[name].locate(), target)


def generate(out: Path) -> None:
    """Write the stubs of every proto of ours below `out`."""
    protos = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{DEPS}"]
    command += [f"--python_out={out}", f"--mypy_out=quiet:{out}"]
    command += [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}"]
    plugins = Path(sys.executable).parent
    command += [f"--plugin=protoc-gen-{name}={plugins}/protoc-gen-{name}" for name in ("mypy", "mypy_grpc")]
    subprocess.run([*command, *protos], check=True, cwd=PROTOS)  # noqa: S603 - our own pinned generator
    for stub in out.rglob("*_pb2_grpc.py"):
        if "Stub" not in stub.read_text():  # a proto without a service: its grpc module would be empty
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)


def generated(tree: Path) -> set[Path]:
    """Return the generated files below `tree`, relative to it."""
    return {path.relative_to(tree) for path in tree.rglob("*_pb2*.py*") if "__pycache__" not in path.parts}


def stale(fresh: Path) -> list[Path]:
    """Return the committed stubs that differ from `fresh`, are missing, or should not be there."""
    wanted, present = generated(fresh), generated(CLIENT)
    changed = {path for path in wanted & present if not filecmp.cmp(fresh / path, CLIENT / path, shallow=False)}
    return sorted(changed | (wanted ^ present))


def main() -> int:
    """Generate, or check; return the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a stub is not fresh")
    arguments = parser.parse_args()
    copy_dependencies()
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        different = stale(fresh)
        if arguments.check:
            for path in different:
                print(f"stale: clients/python/{path}; run `make proto` and commit the result")
            return 1 if different else 0
        for path in generated(CLIENT):
            (CLIENT / path).unlink()
        for path in generated(fresh):
            (CLIENT / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fresh / path, CLIENT / path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
