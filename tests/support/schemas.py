"""How the schema that migrations make differs from the tables the code works with, as Alembic sees it."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ringfence_kit import sql_tables


def schema_differences(connection: sa.Connection, tables: sa.MetaData) -> list[str]:
    """Return how the migrated schema and the kit's and the service's `tables` differ, empty when they agree."""
    expected = sa.MetaData()
    for table in (*sql_tables.metadata.tables.values(), *tables.tables.values()):
        table.to_metadata(expected)
    return [str(difference) for difference in compare_metadata(MigrationContext.configure(connection), expected)]
