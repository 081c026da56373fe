"""Agents' key files as commands use them: made before they are used, and told whose they are once that is known.

The keys themselves are the public client's (`ringfence.agent_key`). A key is written before anything is signed with it,
because a key that is lost with its process is an agent that is lost; the DID comes later, into the same file.
"""

import secrets
from pathlib import Path

from ringfence.agent_key import AgentKey, KeyFileError
from ringfence.enrolment import enrolled
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.key_rotation import NONCE_BYTES
from ringfence.proofs.public_keys import from_multibase
from ringfence.proofs.rotation import rotation_input

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem


def load_key(file: Path) -> AgentKey:
    """Read a key file; what cannot be used is a Problem that says why."""
    try:
        return AgentKey.load(file)
    except KeyFileError as error:
        raise _unusable(error) from error


def load_or_make_key(file: Path) -> AgentKey:
    """Read a key file, or make a key and its file when there is none."""
    if file.exists():
        return load_key(file)
    made = AgentKey.generate()
    try:
        made.save(file)
    except KeyFileError as error:
        raise _unusable(error) from error
    return made


def remember_owner(file: Path, key: AgentKey) -> None:
    """Write down whose key it is, in the file it was read from. A PEM is another tool's, and is left alone."""
    if file.read_bytes().startswith(b"-----BEGIN"):
        return
    beside = file.with_name(f".{file.name}.owned")
    beside.unlink(missing_ok=True)
    try:
        key.save(beside)
    except KeyFileError as error:
        raise _unusable(error) from error
    beside.replace(file)


def replacement_key(identity: pb.AgentIdentity, file: Path) -> pb.ReplacementKey:
    """Return the key to go on with after the one in force was lost, proven by itself: the lost one proves nothing."""
    key, nonce = load_or_make_key(file), secrets.token_bytes(NONCE_BYTES)
    signed = rotation_input(
        did=identity.did,
        environment=identity.environment,
        version_id=identity.did_version_id,
        old_key=from_multibase(identity.public_key_multibase).raw,
        new_key=key.public_key,
        nonce=nonce,
    )
    return pb.ReplacementKey(
        public_key=key.public_key,
        nonce=nonce,
        did_version_id=identity.did_version_id,
        proof=key.private_key.sign(signed),
    )


def keep_replacement(identity: pb.AgentIdentity, file: Path | None) -> None:
    """Write down whose key the replacement is now."""
    if file is not None:
        owner = pb.CompleteRegistrationResponse(identity=identity)
        remember_owner(file, enrolled(load_key(file), owner))


def _unusable(error: KeyFileError) -> Problem:
    return Problem(
        str(error),
        code=ExitCode.CONFIGURATION,
        mend="name another file with --key, or let `ringfence did enrol` make one",
    )
