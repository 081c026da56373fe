"""`python -m ringfence_pdp`: the pdp alone in a process."""

import sys

from ringfence_kit.entry import serve

from ringfence_pdp.app import build
from ringfence_pdp.config import PdpConfig

if __name__ == "__main__":
    sys.exit(serve("pdp", PdpConfig, build))
