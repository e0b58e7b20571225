"""Whose turn it is stands beside what they watch, so that a check cycle need not look at everybody."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; the first cycle looks at everybody."""
    op.add_column("subscription", sa.Column("look_at", sa.Double(), nullable=True))
    op.execute("UPDATE subscription SET look_at = 0")
    op.drop_index(op.f("ix_subscription_service_id"), "subscription")
    op.create_index(op.f("ix_subscription_service_id_look_at"), "subscription", ["service_id", "look_at"], unique=False)


def downgrade() -> None:
    """Go back; every cycle looks at everybody."""
    op.drop_index(op.f("ix_subscription_service_id_look_at"), "subscription")
    op.create_index(op.f("ix_subscription_service_id"), "subscription", ["service_id"], unique=False)
    op.drop_column("subscription", "look_at")
