"""Whether birth certificates still stand, as public status lists say it."""
