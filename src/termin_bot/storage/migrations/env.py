"""Where Alembic begins. The connection is given by `storage.database`; logging is left alone."""

from alembic import context

from termin_bot.storage.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite cannot alter much
)
with context.begin_transaction():
    context.run_migrations()
