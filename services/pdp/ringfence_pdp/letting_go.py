"""Bundles that are forgotten are freed piece by piece, in the thread that forgot them.

Ten thousand rules are freed in twenty milliseconds, and while Python frees, it does nothing else: a push held up every
decision for the sake of a bundle that none of them was about. A list of its parts keeps them until it is their turn.
"""

from ringfence_pdp.breathing import Breath
from ringfence_pdp.compiled import CompiledBundle


def let_go(forgotten: list[CompiledBundle]) -> None:
    """Free the bundles in a list, which is empty afterwards; what others still hold of them stays."""
    breathe = Breath()
    while forgotten:
        parts = _parts(forgotten.pop())
        while parts:
            del parts[-1]
            breathe()


def _parts(bundle: CompiledBundle) -> list[object]:
    indexes = (bundle.index, bundle.boundary_index, bundle.policy_index, bundle.boundary_policy_index)
    return [*bundle.policies, *bundle.rules, *(part for index in indexes for part in index.parts())]
