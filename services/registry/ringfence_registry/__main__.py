"""`python -m ringfence_registry`: the registry alone in a process."""

import sys

from ringfence_kit.entry import serve

from ringfence_registry.app import build
from ringfence_registry.config import RegistryConfig

if __name__ == "__main__":
    sys.exit(serve("registry", RegistryConfig, build))
