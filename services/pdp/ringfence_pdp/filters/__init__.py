"""Content filters: what is dangerous in what an agent passes on, however it is written (docs/filters.md)."""
