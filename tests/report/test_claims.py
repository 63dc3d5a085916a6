"""What may be said of a difference."""

import pytest

from clipbench.report.text.claims import Claim, basis
from clipbench.results.records import Record, Subject


def claim(value, low, high, **rest):
    return Claim(Record("gain", value, "difference", low, high, 0.95, "score"), **rest)


def says(found):
    return found.says("{size} {interval} better", "{size} {interval} worse", "cannot be told apart ({difference})")


@pytest.mark.parametrize(
    ("found", "verdict", "text"),
    [
        (claim(0.023, 0.012, 0.034), "higher", "2.3\u202fpoints [1.2, 3.4] better"),
        (claim(-0.023, -0.034, -0.012), "lower", "2.3\u202fpoints [1.2, 3.4] worse"),
        (claim(0.004, -0.003, 0.011), "not_distinguishable", "cannot be told apart (+0.4\u202fpoints [−0.3, +1.1])"),
        (claim(0.004, 0.0, 0.011), "not_distinguishable", "cannot be told apart (+0.4\u202fpoints [0.0, +1.1])"),
        (claim(0.3, None, None), "undefined", "cannot be told apart (+30.0\u202fpoints)"),
        (claim(0.3, 0.1, 0.5, at_chance=True), "not_distinguishable", "cannot be told apart (+30.0\u202fpoints [+10.0, +50.0])"),  # noqa: E501
    ],
)  # fmt: skip
def test_a_direction_is_said_only_where_the_interval_leaves_out_zero(found, verdict, text):
    assert (found.verdict, says(found)) == (verdict, text)


def test_a_statement_says_what_it_rests_on():
    assert basis(Subject(n=1000, subset="limit 1000", limit=1000, n_train=500)) == (
        "n = 1,000, limit 1000, fitted on 500 images"
    )
    assert basis(Subject()) == ""
