"""Bundles are kept by digest, and which of them decides is a fact of its own."""

import json

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, TEXT

revision = "pdp_0003"
down_revision = "pdp_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and carry over what decided so far: the newest bundle, and the one before it."""
    kept = op.create_table(
        "kept_bundles",
        sa.Column("digest", TEXT, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False, unique=True),
        sa.Column("record", BYTES, nullable=False),
    )
    rollouts = op.create_table(
        "rollouts",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    pushed = sa.table("bundles", sa.column("revision"), sa.column("digest"), sa.column("record"))
    rows = op.get_bind().execute(sa.select(pushed).order_by(pushed.c.revision.desc())).mappings()
    newest = {row["digest"]: dict(row) for row in reversed(list(rows))}
    by_age = sorted(newest.values(), key=lambda row: row["revision"], reverse=True)
    if by_age:
        op.bulk_insert(kept, by_age[:20])
        op.bulk_insert(rollouts, [{"name": "rollout", "record": _rollout(by_age)}])
    op.drop_table("bundles")


def _rollout(by_age: list[dict[str, object]]) -> bytes:
    active = json.loads(bytes(by_age[0]["record"]))  # type: ignore[call-overload]  # a record is bytes
    return json.dumps(
        {
            "active": by_age[0]["digest"],
            "previous": by_age[1]["digest"] if len(by_age) > 1 else "",
            "actor": active["author"],
            "changed_at": active["pushed_at"],
            "revision": by_age[0]["revision"],
        }
    ).encode()
