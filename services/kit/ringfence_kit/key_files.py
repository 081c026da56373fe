"""Opening a service's key file at the start: sealed outside of development, or refused in a sentence.

The rules are those of `sealed_keys.py` and `sealing.py`; here is only what a composition root would repeat.
"""

from pathlib import Path

from ringfence_kit.config import Secret
from ringfence_kit.refusals import StartRefused, variable_of
from ringfence_kit.sealed_keys import FileKeyStore, KeyStoreError
from ringfence_kit.sealing import Seal, SealError


class NotSealed(StartRefused):
    """Outside of development, keys lie sealed or not at all."""

    def __init__(self, *, setting: str) -> None:
        super().__init__(
            f"the service keeps private keys, and nothing is configured to seal their file: set {variable_of(setting)} "
            "to 32 random bytes in base64 (`openssl rand -base64 32`), or use --dev"
        )


class KeyFileRefused(StartRefused):
    """The key file, or what seals it, cannot be used."""


def seal_of(secret: Secret, *, setting: str, dev: bool) -> Seal:
    """Return the seal configured as `setting` (`telemetry.seal`); in development there may be none."""
    if not secret and not dev:
        raise NotSealed(setting=setting)
    try:
        return Seal.from_text(secret.reveal()) if secret else Seal.unsealed()
    except SealError as error:
        raise KeyFileRefused(f"{setting} cannot be used: {error}") from error


def open_key_file(path: Path, seal: Seal) -> FileKeyStore:
    """Open the key file at `path`, making its folder when it is missing."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileKeyStore(path, seal)
    except KeyStoreError as error:
        raise KeyFileRefused(str(error)) from error
