"""Several instances on one database: updates are written down, what one does for all is leased, and shared."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; nothing is held by anybody yet."""
    op.create_table(
        "arrival",
        sa.Column("update_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("telegram_id", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("arrived_at", sa.Double(), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=True),
        sa.Column("started", sa.Boolean(), nullable=False),
        sa.Column("handled_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("update_id", name=op.f("pk_arrival")),
    )
    op.create_index(op.f("ix_arrival_telegram_id"), "arrival", ["telegram_id"], unique=False)
    op.create_index(op.f("ix_arrival_arrived_at"), "arrival", ["arrived_at"], unique=False)
    op.create_table(
        "instance",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("alive_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "shared",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("good_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_shared")),
    )
    op.add_column("subscription", sa.Column("teller", sa.String(length=36), nullable=True))
    op.add_column("booking_session", sa.Column("submitter", sa.String(length=36), nullable=True))


def downgrade() -> None:
    """Go back; updates that nobody has handled are lost."""
    op.drop_column("booking_session", "submitter")
    op.drop_column("subscription", "teller")
    for name in ("shared", "lease", "instance", "arrival"):
        op.drop_table(name)
