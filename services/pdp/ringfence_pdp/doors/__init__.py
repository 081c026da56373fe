"""The doors besides the native one: what gateways and other enforcement points say, read in one way only.

Pure: bytes, headers and configuration in, questions or a refusal out. Messages become values in `convert/`, and the one
use case behind every door is `decisions.py`.
"""
