"""Machine code of the tests' processes: a folder for each worker.

Numba's files of compiled functions are not safe to be written by two processes at once, and librosa, the oracle, has
crashed on the result. This stands here because it must run before anything imports Numba.
"""

import os
from pathlib import Path

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parent / ".pytest_cache" / f"numba-{_WORKER}")
