"""What Alembic runs: steps over the connection that `samplemind.library.versions` hands in, in its transaction."""

from alembic import context

from samplemind.library.model import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
