import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from clipbench.stats.power import POWER, detectable_difference, examples_needed
from clipbench.stats.significance import NORMAL
from clipbench.stats.simultaneous import bonferroni


@pytest.mark.parametrize("critical", [NORMAL, bonferroni(20)])
@pytest.mark.parametrize(("spread", "n"), [(0.05, 2000), (0.1, 1000), (0.3, 350)])
def test_the_score_test_shows_what_is_detectable_in_eight_samples_of_ten(
    spread: float, n: int, critical: float
) -> None:
    difference = detectable_difference(spread, n, critical)
    assert difference is not None
    shares = [(spread + difference) / 2, (spread - difference) / 2, 1 - spread]
    first, second, _ = np.random.default_rng(0).multinomial(n, shares, 20_000).T
    shown = np.abs(first - second) > critical * np.sqrt(first + second)
    assert shown.mean() == pytest.approx(POWER, abs=0.03)


def test_examples_needed_are_connors_and_the_inverse_of_the_detectable_difference() -> None:
    # (1.96 sqrt(.3) + .8416 sqrt(.3 - .1^2))^2 / .1^2 = 233.1
    assert examples_needed(0.1, 0.3) == examples_needed(-0.1, 0.3) == 234
    found = detectable_difference(0.2, 777)
    assert found is not None
    assert examples_needed(found, 0.2) in (777, 778)
    # A small difference leaves the variance as it is, so that a one-sample z test has the same power.
    assert examples_needed(0.01, 0.2) == pytest.approx(
        NormalIndPower(ddof=0).solve_power(0.01 / 0.2**0.5, alpha=0.05, power=0.8, ratio=0), rel=1e-3
    )


def test_no_difference_can_be_shown_where_two_hardly_ever_differ() -> None:
    assert detectable_difference(0.01, 100) is None
    assert detectable_difference(0.0, 100) is None
    assert examples_needed(0.0, 0.1) is None
