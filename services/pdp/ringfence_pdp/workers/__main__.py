"""`python -m ringfence_pdp.workers END`: a worker, started by the pdp whose end of a link the argument is."""

from ringfence_kit.workers.worker import work

from ringfence_pdp.workers.app import build

if __name__ == "__main__":
    work(build)
