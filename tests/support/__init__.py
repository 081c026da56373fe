"""Fakes and harnesses the tests share."""
