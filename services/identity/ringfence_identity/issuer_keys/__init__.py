"""The keys that sign access tokens: their schedule, their changes, and what is published of them."""
