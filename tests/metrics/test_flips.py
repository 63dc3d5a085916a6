import numpy as np

from clipbench.metrics import flips as module
from clipbench.metrics.flips import flips


def test_flips_by_hand():
    found = flips(np.array([[3, 3, 3, 3], [1, 0, 1, 2], [2, 0, 0, 2], [0, 1, 2, 3]]))
    assert found.different.tolist() == [1, 3, 2, 4]
    # Of predictions that are as frequent the lower class comes first.
    assert found.first.tolist() == [3, 1, 0, 0]
    assert found.first_count.tolist() == [4, 2, 2, 1]
    assert found.second.tolist() == [-1, 0, 2, 1]
    assert found.second_count.tolist() == [0, 1, 2, 1]


def test_flips_do_not_depend_on_how_many_are_sorted_at_a_time(monkeypatch):
    predictions = np.random.default_rng(0).integers(0, 4, (50, 6), np.int32)
    whole = flips(predictions)
    monkeypatch.setattr(module, "_CELLS", 13)
    for name, column in vars(flips(predictions)).items():
        assert np.array_equal(column, getattr(whole, name))
    assert whole.different.tolist() == [len(set(row)) for row in predictions.tolist()]
