"""Makes a node one of another version. Python imports it at its start if it is on the path."""

import samplemind.version

samplemind.version.__version__ = "0.0.1"
