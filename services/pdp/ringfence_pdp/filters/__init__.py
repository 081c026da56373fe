"""Content filters: what is dangerous in what an agent passes on, however it is written (docs/filters.md)."""

from ringfence_pdp.filters.scanning import Scanned, scan

__all__ = ["Scanned", "scan"]
