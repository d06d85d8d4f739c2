"""Many files: worker processes that are watched, each of which may die over a file without harm to the others."""
