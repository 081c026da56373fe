"""`python -m ringfence_launcher`, and the `ringfence` script."""

import os
import sys

from ringfence_launcher.cli import main as run

_SERVING = frozenset({"up", "serve", "demo"})


def main() -> None:
    """Run the command line and end the process with its exit code."""
    if not _SERVING.intersection(sys.argv[1:2]):
        # Read when gRPC is imported. What it says of a handshake that failed is in the error, in a sentence.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    sys.exit(run())


if __name__ == "__main__":
    main()
