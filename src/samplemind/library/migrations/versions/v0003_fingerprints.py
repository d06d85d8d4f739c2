"""An index that tells which analyses are up to date, without their documents, which lie between."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this step."""
    op.create_index("ix_analyses_audio_id_level_fingerprint", "analyses", ["audio_id", "level", "fingerprint"])


def downgrade() -> None:
    """Back from it."""
    op.drop_index("ix_analyses_audio_id_level_fingerprint", table_name="analyses")
