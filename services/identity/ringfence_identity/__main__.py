"""`python -m ringfence_identity`: identity alone in a process."""

import sys

from ringfence_kit.entry import serve

from ringfence_identity.app import build
from ringfence_identity.config import IdentityConfig

if __name__ == "__main__":
    sys.exit(serve("identity", IdentityConfig, build))
