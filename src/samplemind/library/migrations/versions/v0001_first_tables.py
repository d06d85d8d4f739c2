"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
REAL = sa.Float(precision=53)


def upgrade() -> None:
    """To this step."""
    op.create_table(
        "audio",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("added_at", REAL, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("files_present", sa.BigInteger(), nullable=False),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=True),
        sa.Column("duration_s", REAL, nullable=False),
        sa.Column("sample_rate_hz", sa.BigInteger(), nullable=False),
        sa.Column("channels", sa.BigInteger(), nullable=False),
        sa.Column("tempo_bpm", REAL, nullable=True),
        sa.Column("tempo_confidence", REAL, nullable=True),
        sa.Column("key", sa.BigInteger(), nullable=True),
        sa.Column("key_confidence", REAL, nullable=True),
        sa.Column("loudness_lufs", REAL, nullable=True),
        sa.Column("loudness_range_lu", REAL, nullable=True),
        sa.Column("true_peak_dbtp", REAL, nullable=True),
        sa.Column("spectral_centroid_hz", REAL, nullable=True),
        sa.Column("attack_s", REAL, nullable=True),
        sa.Column("harmonic_ratio", REAL, nullable=True),
        sa.Column("root_midi", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audio"),
        sa.UniqueConstraint("digest", name="uq_audio_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audio_added_at", "audio", ["added_at"])
    op.create_index("ix_audio_duration_s", "audio", ["duration_s"])
    op.create_index("ix_audio_files_present", "audio", ["files_present"])
    op.create_index("ix_audio_key", "audio", ["key"])
    op.create_index("ix_audio_kind", "audio", ["kind"])
    op.create_index("ix_audio_loudness_lufs", "audio", ["loudness_lufs"])
    op.create_index("ix_audio_name", "audio", ["name"])
    op.create_index("ix_audio_spectral_centroid_hz", "audio", ["spectral_centroid_hz"])
    op.create_index("ix_audio_tempo_bpm", "audio", ["tempo_bpm"])
    op.create_index("ix_audio_true_peak_dbtp", "audio", ["true_peak_dbtp"])
    op.create_table(
        "collections",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("query", TEXT, nullable=True),
        sa.Column("created_at", REAL, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("name", name="uq_collections_name"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("level", TEXT, nullable=True),
        sa.Column("totals", sa.LargeBinary(), nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("started_at", REAL, nullable=False),
        sa.Column("seen_at", REAL, nullable=False),
        sa.Column("ended_at", REAL, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "roots",
        sa.Column("id", ID, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("added_at", REAL, nullable=False),
        sa.Column("scanned_at", REAL, nullable=True),
        sa.Column("missing_since", REAL, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_roots"),
        sa.UniqueConstraint("path", name="uq_roots_path"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "analyses",
        sa.Column("audio_id", ID, nullable=False),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("analyzed_at", REAL, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["audio_id"], ["audio.id"], name="fk_analyses_audio_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("audio_id", "level", name="pk_analyses"),
    )
    op.create_table(
        "collection_items",
        sa.Column("collection_id", ID, nullable=False),
        sa.Column("audio_id", ID, nullable=False),
        sa.Column("added_at", REAL, nullable=False),
        sa.ForeignKeyConstraint(["audio_id"], ["audio.id"], name="fk_collection_items_audio_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_collection_items_collection_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "audio_id", name="pk_collection_items"),
    )
    op.create_index("ix_collection_items_audio_id", "collection_items", ["audio_id"])
    op.create_table(
        "corrections",
        sa.Column("audio_id", ID, nullable=False),
        sa.Column("field", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("set_at", REAL, nullable=False),
        sa.ForeignKeyConstraint(["audio_id"], ["audio.id"], name="fk_corrections_audio_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("audio_id", "field", name="pk_corrections"),
    )
    op.create_table(
        "files",
        sa.Column("id", ID, nullable=False),
        sa.Column("root_id", ID, nullable=False),
        sa.Column("audio_id", ID, nullable=True),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("stamp", TEXT, nullable=True),
        sa.Column("digest", TEXT, nullable=True),
        sa.Column("container", TEXT, nullable=True),
        sa.Column("codec", TEXT, nullable=True),
        sa.Column("bit_depth", sa.BigInteger(), nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("named_tempo_bpm", REAL, nullable=True),
        sa.Column("named_key", TEXT, nullable=True),
        sa.Column("named_sound", TEXT, nullable=True),
        sa.Column("found_at", REAL, nullable=False),
        sa.Column("missing_since", REAL, nullable=True),
        sa.ForeignKeyConstraint(["audio_id"], ["audio.id"], name="fk_files_audio_id"),
        sa.ForeignKeyConstraint(["root_id"], ["roots.id"], name="fk_files_root_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_files_audio_id", "files", ["audio_id"])
    op.create_index("ix_files_digest", "files", ["digest"])
    op.create_index("ix_files_named_sound_audio_id", "files", ["named_sound", "audio_id"])
    op.create_index("ix_files_root_id_path", "files", ["root_id", "path"], unique=True)
    op.create_index("ix_files_size", "files", ["size"])
    op.create_table(
        "tags",
        sa.Column("audio_id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["audio_id"], ["audio.id"], name="fk_tags_audio_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("audio_id", "name", name="pk_tags"),
    )
    op.create_index("ix_tags_name_audio_id", "tags", ["name", "audio_id"])
    op.create_table(
        "words",
        sa.Column("word", TEXT, nullable=False),
        sa.Column("audio_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["audio_id"], ["audio.id"], name="fk_words_audio_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("word", "audio_id", name="pk_words"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_words_audio_id_word", "words", ["audio_id", "word"])


def downgrade() -> None:
    """To nothing."""
    op.drop_index("ix_words_audio_id_word", table_name="words")
    op.drop_table("words")
    op.drop_index("ix_tags_name_audio_id", table_name="tags")
    op.drop_table("tags")
    op.drop_index("ix_files_size", table_name="files")
    op.drop_index("ix_files_root_id_path", table_name="files")
    op.drop_index("ix_files_named_sound_audio_id", table_name="files")
    op.drop_index("ix_files_digest", table_name="files")
    op.drop_index("ix_files_audio_id", table_name="files")
    op.drop_table("files")
    op.drop_table("corrections")
    op.drop_index("ix_collection_items_audio_id", table_name="collection_items")
    op.drop_table("collection_items")
    op.drop_table("analyses")
    op.drop_table("roots")
    op.drop_index("ix_jobs_state", table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("collections")
    op.drop_index("ix_audio_true_peak_dbtp", table_name="audio")
    op.drop_index("ix_audio_tempo_bpm", table_name="audio")
    op.drop_index("ix_audio_spectral_centroid_hz", table_name="audio")
    op.drop_index("ix_audio_name", table_name="audio")
    op.drop_index("ix_audio_loudness_lufs", table_name="audio")
    op.drop_index("ix_audio_kind", table_name="audio")
    op.drop_index("ix_audio_key", table_name="audio")
    op.drop_index("ix_audio_files_present", table_name="audio")
    op.drop_index("ix_audio_duration_s", table_name="audio")
    op.drop_index("ix_audio_added_at", table_name="audio")
    op.drop_table("audio")
