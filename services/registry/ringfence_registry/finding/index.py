"""Which agents carry a term: postings that spare a selective filter the walk over everything."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ringfence_registry.finding.filtering.fields import Term


class TermIndex:
    """Names under the terms of their resources."""

    def __init__(self) -> None:
        self._postings: defaultdict[Term, set[str]] = defaultdict(set)

    def change(self, name: str, *, before: Iterable[Term], after: Iterable[Term]) -> None:
        """File `name` under the terms `after` and no longer under those only in `before`."""
        old, new = set(before), set(after)
        for term in old - new:
            names = self._postings[term]
            names.discard(name)
            if not names:
                del self._postings[term]
        for term in new - old:
            self._postings[term].add(name)

    def narrowest(self, needs: Sequence[frozenset[Term]], *, at_most: int) -> set[str] | None:
        """Return the names under the rarest of `needs`, or None when each covers more than `at_most`.

        Every resource that has a term of each need is among them; whether the others fit has to be asked.
        """
        best = min(needs, key=self._size, default=None)
        if best is None or self._size(best) > at_most:
            return None
        return set().union(*(self._postings.get(term, frozenset()) for term in best))

    def _size(self, need: frozenset[Term]) -> int:
        return sum(len(self._postings.get(term, ())) for term in need)
