"""Small fits take one thread."""

import pytest
import torch

from clipbench.heads.logistic import threads_for


@pytest.mark.parametrize(("size", "inside"), [((160, 1024, 10), 1), ((100_000, 768, 1000), 2)])
def test_a_small_fit_takes_one_thread_and_gives_the_others_back(size, inside):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(*size):
            assert torch.get_num_threads() == inside
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
