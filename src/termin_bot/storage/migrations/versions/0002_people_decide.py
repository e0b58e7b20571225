"""People decide whether they are counted; what they are choosing (a service to look for, days) is kept beside them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; whoever is there is counted as before, and a booking under way has no name of its own."""
    op.add_column("person", sa.Column("analytics", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("person", sa.Column("asked_search", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("person", sa.Column("calendar_start", sa.Date(), nullable=True))
    op.add_column("booking_session", sa.Column("alias", sa.String(length=50), server_default="", nullable=False))


def downgrade() -> None:
    """Go back."""
    op.drop_column("booking_session", "alias")
    for name in ("calendar_start", "asked_search", "analytics"):
        op.drop_column("person", name)
