"""Runs the migrations on the connection that `vasculum.catalog.migrate` hands over."""

from alembic import context

from vasculum.catalog import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
