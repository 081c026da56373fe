"""Fakes and builders for tests of the launcher."""
