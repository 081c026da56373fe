"""The smallest service that stores something, built as services are: switches that turn tools off and on.

The kit's own contract suite runs over it, and services/kit/README.md walks through it.
"""
