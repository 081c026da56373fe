"""A git repository of policy files: a branch, a tag or a commit of it, here or behind a URL.

Nothing of a repository is ever run or checked out. Its objects are fetched into a bare repository of our own, and files
are read out of those: no hook, no filter, no symbolic link and no submodule has a part in it. The rules:

- what git asks for, it does not get: no prompt, no configuration of this machine's users, no transport that runs
  commands;
- a call that takes too long is ended with everything it started;
- what was in the URL before the host (names, tokens) stands in no log and no message.
"""

import asyncio
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ringfence_kit.clock import Millis

from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.sources.limits import BUNDLE_BYTES_MAX, check_sizes, is_policy
from ringfence_pdp.sources.source import SourceUnusable

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    "credential.helper=",
    "safe.directory=*",
    "gc.auto=0",
    "fetch.recurseSubmodules=false",
    "transfer.fsckObjects=true",
)
_PASSED_ON = ("PATH", "HOME", "SSH_AUTH_SOCK", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE")
_OUTPUT_MAX = BUNDLE_BYTES_MAX + (1 << 20)
_BLOB = "100"
"""What the mode of a file begins with; links, folders and submodules begin otherwise."""


class GitSource:
    """The policy files under a folder of a repository, as of a ref."""

    def __init__(self, url: str, *, ref: str, folder: str, store: Path, timeout: Millis) -> None:
        """`store` is where objects are fetched to; `folder` is below the repository's root, empty for all of it."""
        self._url = url
        self._ref = ref
        self._folder = folder.strip("/")
        self._store = store
        self._timeout = timeout
        self._read = ""

    @property
    def name(self) -> str:
        """See `Source`."""
        return f"git {without_credentials(self._url)} {self._ref}"

    async def read(self) -> Sequence[PolicyFile] | None:
        """See `Source`."""
        if not (self._store / "HEAD").exists():
            self._store.parent.mkdir(parents=True, exist_ok=True)
            await self._git("init", "--quiet", "--bare", "--template=", str(self._store), inside=False)
        await self._git("fetch", "--quiet", "--depth=1", "--no-tags", "--force", "--", self._url, self._ref)
        commit = (await self._git("rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}")).decode().strip()
        if commit == self._read:
            return None
        blobs = await self._blobs(commit)
        check_sizes((path, size) for path, (_, size) in blobs.items())
        files = [
            PolicyFile(path=path, content=await self._git("cat-file", "blob", blob))
            for path, (blob, _) in sorted(blobs.items())
        ]
        self._read = commit
        return files

    async def _blobs(self, commit: str) -> Mapping[str, tuple[str, int]]:
        """Return the policy files of a commit: path to object and size."""
        root = f"{commit}:{self._folder}" if self._folder else commit
        listed = await self._git("ls-tree", "-r", "-z", "--long", "--end-of-options", root)
        found = {}
        for line in listed.split(b"\0"):
            facts, _, path = line.decode("utf-8", "replace").partition("\t")
            mode, *rest = facts.split() or [""]
            if mode.startswith(_BLOB) and is_policy(path):
                found[path] = (rest[1], int(rest[2]))
        return found

    async def _git(self, *arguments: str, inside: bool = True) -> bytes:
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        where = ["--git-dir", str(self._store)] if inside else []
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *settings,
                *where,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise SourceUnusable(f"git cannot be run: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(self._timeout / 1_000):
                output, said = await process.communicate()
        except TimeoutError:
            raise SourceUnusable(f"git {arguments[0]} took longer than {self._timeout // 1_000} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            raise SourceUnusable(f"git {arguments[0]} failed: {self._told(said)}")
        if len(output) > _OUTPUT_MAX:
            raise SourceUnusable(f"git {arguments[0]} gave more than {_OUTPUT_MAX} bytes")
        return output

    def _told(self, said: bytes) -> str:
        text = said.decode("utf-8", "replace").replace(self._url, without_credentials(self._url))
        lines = without_credentials(text).strip().splitlines()
        return "; ".join(lines)[:500] or "it said nothing"


def without_credentials(text: str) -> str:
    """Return text with what stands before the host of any URL in it taken out."""
    return _CREDENTIALS.sub("", text)


def is_ref(text: str) -> bool:
    """Say whether text can be a branch, a tag or a commit, and nothing that git takes for an option."""
    return _REF.fullmatch(text) is not None and ".." not in text


def is_repository(text: str) -> bool:
    """Say whether text is a URL of a kind that is fetched from, or an absolute path."""
    return re.match(r"(https|ssh|file)://|/", text) is not None


def _environment() -> Mapping[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **passed,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_PROTOCOL_FROM_USER": "0",
        "LC_ALL": "C",
    }
