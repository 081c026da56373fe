"""DIDs that callers name: read as `ringfence.proofs.did` reads them, refused as identity refuses."""

from ringfence.proofs import did
from ringfence.proofs.did import Did, DidError

from ringfence_identity.errors import DidInvalid


def parse_did(text: str) -> Did:
    """Return the DID that `text` spells, or raise `DidInvalid`."""
    try:
        return did.parse_did(text)
    except DidError as refused:
        raise DidInvalid(did=refused.did, problem=refused.problem) from refused
