"""Rates and budgets: what a call counts against, and how much of it is left."""
