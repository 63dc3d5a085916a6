"""What jobs of several models share."""

from types import SimpleNamespace

import pandas as pd

from clipbench.analyses.comparable import read_clusters


def test_clusters_come_in_the_order_of_the_first_table():
    tables = {
        "without": pd.DataFrame({"id": ["c", "a", "b"]}),
        "with": pd.DataFrame({"id": ["a", "b", "c"], "cluster": ["left", "left", "right"]}),
    }
    jobs = [SimpleNamespace(hash=name) for name in tables]
    assert read_clusters(jobs, tables.get).tolist() == [1, 0, 0]
    assert read_clusters(jobs[:1], tables.get) is None
