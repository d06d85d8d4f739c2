"""What banks gather against the dense product, and wherever a block ends."""

from __future__ import annotations

import numpy as np
import pytest

from samplemind.dsp.filterbanks import Filterbank, chroma_bank, cosine_bank, mel_bank

BANKS = {
    "mel": mel_bank(44_100, 2048, 128),
    "chroma": chroma_bank(44_100, 2048),
    "cosine": cosine_bank(20, 128),
    "with an empty band": Filterbank.of(np.array([[0.0, 1.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]])),
}


@pytest.mark.parametrize("bank", BANKS.values(), ids=BANKS)
@pytest.mark.parametrize("count", [0, 1, 3, 4, 10])
def test_gathers_the_weighted_sums(bank: Filterbank, count: int) -> None:
    rows = np.random.default_rng(count).random((count, bank.weights.shape[1]), np.float32)
    expected = rows.astype(np.float64) @ bank.weights.T.astype(np.float64)
    np.testing.assert_allclose(bank.gather(rows), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bank", BANKS.values(), ids=BANKS)
def test_a_row_is_gathered_alike_wherever_a_block_ends(bank: Filterbank) -> None:
    rows = np.random.default_rng(1).random((11, bank.weights.shape[1]), np.float32)
    whole = bank.gather(rows)
    for cut in range(1, len(rows)):
        assert np.array_equal(np.concatenate([bank.gather(rows[:cut]), bank.gather(rows[cut:])]), whole)
