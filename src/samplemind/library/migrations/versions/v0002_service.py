"""Jobs, keys and receipts of the service."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
REAL = sa.Float(precision=53)


def upgrade() -> None:
    """To this step."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("created_at", REAL, nullable=False, server_default="0"))
        jobs.alter_column("started_at", existing_type=REAL, nullable=True)
        jobs.add_column(sa.Column("error", TEXT, nullable=True))
        jobs.add_column(sa.Column("ticket", TEXT, nullable=True))
        jobs.add_column(sa.Column("owner", TEXT, nullable=True))
        jobs.add_column(sa.Column("batch_id", ID, nullable=True))
        jobs.add_column(sa.Column("home", TEXT, nullable=True))
        jobs.add_column(sa.Column("leased_until", REAL, nullable=True))
        jobs.add_column(sa.Column("deaths", sa.BigInteger(), nullable=False, server_default="0"))
        jobs.add_column(sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"))
        jobs.create_foreign_key("fk_jobs_batch_id", "jobs", ["batch_id"], ["id"], ondelete="CASCADE")
        jobs.create_unique_constraint("uq_jobs_ticket", ["ticket"])
    op.execute("UPDATE jobs SET created_at = started_at")
    with op.batch_alter_table("jobs") as jobs:
        for name, kind in (("created_at", REAL), ("deaths", sa.BigInteger()), ("version", sa.BigInteger())):
            jobs.alter_column(name, existing_type=kind, server_default=None)
    op.create_index("ix_jobs_kind_subject", "jobs", ["kind", "subject"])
    op.create_index("ix_jobs_owner", "jobs", ["owner"])
    op.create_index("ix_jobs_batch_id", "jobs", ["batch_id"])
    op.drop_index("ix_jobs_state", table_name="jobs")
    op.create_index("ix_jobs_state_home", "jobs", ["state", "home"])
    op.create_table(
        "homes",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("uploads", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_homes"),
        sa.UniqueConstraint("uploads", name="uq_homes_uploads"),
    )
    op.create_table(
        "keys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", REAL, nullable=False),
        sa.Column("revoked_at", REAL, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("created_at", REAL, nullable=False),
        sa.Column("expires_at", REAL, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_sign_ins_key_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_ins"),
    )
    op.create_index("ix_sign_ins_key_id", "sign_ins", ["key_id"])
    op.create_index("ix_sign_ins_expires_at", "sign_ins", ["expires_at"])
    op.create_table(
        "receipts",
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("request", TEXT, nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", REAL, nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_receipts"),
    )
    op.create_index("ix_receipts_created_at", "receipts", ["created_at"])


def downgrade() -> None:
    """To the step before; the service's own jobs are left out."""
    for table in ("receipts", "sign_ins", "keys", "homes"):
        op.drop_table(table)
    for name in ("ix_jobs_kind_subject", "ix_jobs_owner", "ix_jobs_batch_id", "ix_jobs_state_home"):
        op.drop_index(name, table_name="jobs")
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.execute("DELETE FROM jobs WHERE started_at IS NULL OR ticket IS NOT NULL")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_constraint("fk_jobs_batch_id", type_="foreignkey")
        jobs.drop_constraint("uq_jobs_ticket", type_="unique")
        for name in ("created_at", "error", "ticket", "owner", "batch_id"):
            jobs.drop_column(name)
        for name in ("home", "leased_until", "deaths", "version"):
            jobs.drop_column(name)
        jobs.alter_column("started_at", existing_type=REAL, nullable=False)
