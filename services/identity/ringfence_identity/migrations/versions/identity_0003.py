"""Who owes is found at once: the largest debt among a sponsor's agents no longer takes a look at all of them."""

import sqlalchemy as sa
from ringfence_kit.schema import Schema


def upgrade(schema: Schema) -> None:
    """Take the debt out of the index that is counted in, and give it one of its own."""
    schema.drop_index("identities_by_sponsor")
    counted = ["sponsor", "environment", "revoked_at", "enrolled_at", "expires_at"]
    schema.create_index("identities_by_sponsor", "identities", counted)
    owes = sa.text("debt > 0")
    owing = ["sponsor", "environment", "debt", "revoked_at"]
    schema.create_index("identities_by_debt", "identities", owing, sqlite_where=owes, postgresql_where=owes)
