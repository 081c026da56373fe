"""`python -m ringfence_launcher`, and the `ringfence` script."""

import sys

from ringfence_launcher.cli import main as run


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
