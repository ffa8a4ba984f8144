"""The pictures: what they show is read back from the figure, not guessed from pixels."""

import numpy as np

from kcnn.tasks.classification import figures, scores


def test_reliability_draws_the_filled_bins():
    figure = figures.reliability(scores.reliability(np.array([0.95, 1.0, 0.5]), np.array([1, 0, 1])), "digits test")
    upper, lower = figure.axes
    assert [bar.get_height() for bar in upper.patches] == [1.0, 0.5]
    np.testing.assert_allclose([bar.get_height() for bar in lower.patches], [1 / 3, 2 / 3])
    assert figure.get_suptitle() == "digits test: calibration error 0.483"  # 2/3 * 0.475 + 1/3 * 0.5


def test_outcomes_draws_found_missed_and_claimed():
    figure = figures.outcomes(np.array([[5, 2, 1], [0, 0, 3]]), ("sky", "road"), "photos")
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == [5, 0, 1, 3, -2, 0]
