"""The condition language: a documented subset of CEL, checked when a policy is published and compiled to Python code.

`condition.py` is the door: text and schema in, a callable and what is known about it out. Behind it, in order:
tokens → parser (syntax) → checker (types, functions) → cost, absence → codegen over runtime.

The subset is written down in services/pdp/README.md. Whatever this package accepts means what the CEL specification
says it means; what it does not know it refuses at publication, with the line, the column and what would be right.
"""
