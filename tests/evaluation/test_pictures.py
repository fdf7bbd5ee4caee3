import numpy as np
import pytest

from riskmodel.evaluation.pictures import (
    calibration_bins,
    calibration_picture,
    precision_picture,
    ranges_picture,
    wilson,
)
from riskmodel.figures import Interval


def is_a_picture(file) -> bool:
    return file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and file.stat().st_size > 10_000


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_picture_is_drawn_in_both_languages(judged, county, tmp_path, language):
    frame, risk = county
    left = frame["outcome"] == "left"
    folder = tmp_path / "pictures"
    files = [
        calibration_picture(folder / "calibration.png", risk=risk, left=left, language=language),
        precision_picture(folder / "precision.png", evaluation=judged, language=language),
    ]
    assert sorted(folder.iterdir()) == sorted(files)
    assert all(is_a_picture(file) for file in files)


def test_a_picture_is_drawn_where_hardly_anybody_left(tmp_path):
    risk = np.concatenate([np.full(500, 0.02), np.full(50, 0.2)])
    left = np.arange(550) < 1
    assert is_a_picture(calibration_picture(tmp_path / "few.png", risk=risk, left=left))


def test_calibration_bins_share_the_expected_events_and_lose_nobody(county):
    frame, risk = county
    left = (frame["outcome"] == "left").to_numpy()
    bins = calibration_bins(risk, left)
    assert len(bins) == 10
    assert bins[:, 2].sum() == len(risk)
    assert bins[:, 1].sum() == left.sum()
    np.testing.assert_allclose(bins[:, 0], risk.sum() / 10, atol=risk.max())
    assert (np.diff(bins[:, 0] / bins[:, 2]) > 0).all()


def test_the_interval_of_no_events_is_wilsons():
    low, high = wilson(np.array([0.0, 5.0]), np.array([10.0, 10.0]))
    np.testing.assert_allclose(low, [0, 0.2366], atol=1e-4)
    np.testing.assert_allclose(high, [0.2775, 0.7634], atol=1e-4)


def test_figures_are_drawn_below_each_other_with_and_without_an_interval(tmp_path):
    rows = {"云岭乡": Interval(0.4, 0.2, 0.6), "alone": Interval(0.5)}
    file = tmp_path / "ranges.png"
    drawn = ranges_picture(file, rows=rows, title="groups", note="groups_note", at=0.4, percent=True)
    assert is_a_picture(drawn)
