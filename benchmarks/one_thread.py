"""Imported before anything else by what compares times: every library has one thread, as samplemind's workers have."""

from __future__ import annotations

import os

for _variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",  # sonara's
):
    os.environ[_variable] = "1"
