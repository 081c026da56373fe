"""How much one off-boarding may do before it keeps everybody else waiting too long."""

import pytest
from ringfence_identity.sponsors.offboarding import MOST_REISSUED, require_bearable
from ringfence_kit.errors import InvalidRequest


def test_as_many_certificates_as_one_transaction_bears_are_signed() -> None:
    require_bearable(0)
    require_bearable(MOST_REISSUED)


def test_more_are_refused_with_what_to_do_instead() -> None:
    with pytest.raises(InvalidRequest) as refused:
        require_bearable(MOST_REISSUED + 1)
    (violation,) = refused.value.violations
    assert violation.field == "policy"
    assert "suspend" in violation.problem
