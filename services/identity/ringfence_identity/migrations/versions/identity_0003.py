"""Who owes is found at once: the largest debt among a sponsor's agents no longer takes a look at all of them."""

import sqlalchemy as sa
from alembic import op

revision = "identity_0003"
down_revision = "identity_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the debt out of the index that is counted in, and give it one of its own."""
    op.drop_index("identities_by_sponsor", "identities")
    counted = ["sponsor", "environment", "revoked_at", "enrolled_at", "expires_at"]
    op.create_index("identities_by_sponsor", "identities", counted)
    owes = sa.text("debt > 0")
    owing = ["sponsor", "environment", "debt", "revoked_at"]
    op.create_index("identities_by_debt", "identities", owing, sqlite_where=owes, postgresql_where=owes)
