"""Pairs of texts that differ in one thing, which makes one of them dangerous: what the intent model learns most from.

The seeds are written by hand, as data (`seeds/*.yaml`); `expanding.py` says them in several styles. All of it is ours.
"""
