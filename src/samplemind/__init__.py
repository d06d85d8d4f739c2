"""samplemind understands sound files."""
