"""The version of samplemind."""

__version__ = "0.1.0"
