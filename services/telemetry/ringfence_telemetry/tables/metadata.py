"""What telemetry's tables are registered with."""

import sqlalchemy as sa

metadata = sa.MetaData()
