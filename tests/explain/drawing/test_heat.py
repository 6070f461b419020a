import matplotlib
import numpy as np

from hilum.explain.drawing import heat
from hilum.explain.drawing.cells import draw_grid


def test_signed_heat_is_red_for_blue_against_and_clear_at_zero():
    red, clear, blue = heat.heat(np.array([[2.0, 0.0, -2.0]], np.float32), 2.0, signed=True)[0]
    assert red.tolist() == [1, 0, 0, heat.OPACITY]
    assert clear[3] == 0
    assert blue.tolist() == [0, 0, 1, heat.OPACITY]


def test_unsigned_heat_grows_brighter_and_denser():
    colours = heat.heat(np.linspace(0, 1, 9, dtype=np.float32)[np.newaxis], 1.0, signed=False)[0]
    assert (np.diff(colours[:, 3]) > 0).all()
    assert (np.diff(colours[:, :3].sum(axis=1)) > 0).all()


def test_the_scale_ends_below_a_lone_spike_but_never_at_zero_for_a_map_that_is_not():
    values = np.zeros((100, 100), np.float32)
    assert heat.strongest(values) == 0
    values[0, 0] = -9
    assert heat.strongest(values) == 9  # the percentile is 0, so the spike itself
    values[1:, :] = 1
    assert heat.strongest(values) == 1


def test_block_sums_keep_the_sum():
    values = np.arange(25, dtype=np.float32).reshape(5, 5)
    sums = heat.block_sums(values, 2)
    assert sums.shape == (5, 5)
    assert sums[0, 0] == sums[1, 1] == 0 + 1 + 5 + 6
    assert sums[4, 4] == 24  # a cut block at the corner
    assert sums[::2, ::2].sum() == values.sum()


def test_the_users_matplotlibrc_does_not_change_a_picture():
    def picture():
        return heat.png_bytes(draw_grid({"true positive": []}, 2, "Grad-CAM for viral", signed=False, unit="logits", sanity=""))

    usual = picture()
    with matplotlib.rc_context({"savefig.bbox": "tight", "font.size": 30, "text.color": "red", "font.family": "serif"}):
        assert picture() == usual
