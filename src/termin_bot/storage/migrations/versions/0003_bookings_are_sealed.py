"""
Credentials and what people type are sealed; appointments know how they stand; pushes are counted by the day.

Columns are added and dropped in place: rebuilding a table, as SQLite needs for more, would drop it first, and take
with it every row that hangs on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """
    Go forward.

    What was stored in plain text is deleted, not sealed: bookings under way end, and the city takes their
    reservations back at its own deadline, minutes later.
    """
    op.add_column("person", sa.Column("quiet_from", sa.Integer(), nullable=True))
    op.add_column("person", sa.Column("quiet_until", sa.Integer(), nullable=True))

    op.execute("DELETE FROM booking_session")
    op.drop_column("booking_session", "process_id")
    op.add_column("booking_session", sa.Column("process_id", sa.Text(), nullable=True))
    op.add_column("booking_session", sa.Column("warned", sa.Boolean(), server_default=sa.false(), nullable=False))

    # Who had booked before was told to look into the city's mail; nothing is known of it here.
    state = sa.Column("state", sa.String(length=16), server_default="unknown", nullable=False)
    op.add_column("appointment", state)
    op.add_column("appointment", sa.Column("process_id", sa.Text(), nullable=True))
    op.add_column("appointment", sa.Column("auth_key", sa.Text(), nullable=True))
    op.add_column("appointment", sa.Column("activate_by", sa.Double(), nullable=True))
    op.add_column("appointment", sa.Column("look_at", sa.Double(), nullable=True))
    op.create_index(op.f("ix_appointment_look_at"), "appointment", ["look_at"], unique=False)

    op.add_column("subscription", sa.Column("pushes", sa.Integer(), server_default="0", nullable=False))
    op.add_column("subscription", sa.Column("pushed_on", sa.Date(), nullable=True))


def downgrade() -> None:
    """Go back; sealed values cannot be read there, so they are deleted."""
    op.drop_column("subscription", "pushed_on")
    op.drop_column("subscription", "pushes")

    op.drop_index(op.f("ix_appointment_look_at"), "appointment")
    for name in ("look_at", "activate_by", "auth_key", "process_id", "state"):
        op.drop_column("appointment", name)

    op.execute("DELETE FROM booking_session")
    op.drop_column("booking_session", "warned")
    op.drop_column("booking_session", "process_id")
    op.add_column("booking_session", sa.Column("process_id", sa.BigInteger(), nullable=True))

    op.drop_column("person", "quiet_until")
    op.drop_column("person", "quiet_from")
