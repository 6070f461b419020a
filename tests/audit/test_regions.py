"""Where the lungs lie and what stands around them."""

import numpy as np

from hilum.audit.regions import join_regions, regions_of_masks, regions_of_rectangle, ring_of, soften


def test_lungs_are_the_union_and_around_is_what_is_seldom_lung() -> None:
    masks = np.zeros((100, 10, 10), bool)
    masks[:, 4:6, 4:6] = True
    masks[0, 0, 0] = True  # 1 of 100: in the union, but around as well
    masks[:3, 9, 9] = True  # 3 of 100: no longer around
    found = regions_of_masks(masks)
    assert found.lungs.sum() == 6
    assert found.lungs[0, 0] and found.around[0, 0]
    assert found.lungs[9, 9] and not found.around[9, 9]
    assert found.around.sum() == 100 - 5


def test_a_rectangle_lies_at_its_shares() -> None:
    found = regions_of_rectangle(top=0.1, bottom=0.8, left=0.2, right=0.9, size=20)
    assert found.lungs.sum() == 14 * 14
    assert found.lungs[2, 4] and not found.lungs[1, 4] and not found.lungs[2, 3] and not found.lungs[16, 4]
    assert np.array_equal(found.around, ~found.lungs)


def test_joined_regions_hide_every_lung_and_exchange_no_lung() -> None:
    one = regions_of_rectangle(0.0, 0.5, 0.0, 0.5, 10)
    other = regions_of_rectangle(0.5, 1.0, 0.5, 1.0, 10)
    both = join_regions([one, other])
    assert np.array_equal(both.lungs, one.lungs | other.lungs)
    assert np.array_equal(both.around, one.around & other.around)


def test_a_ring_is_a_twentieth_on_each_side() -> None:
    ring = ring_of(100)
    assert ring.sum() == 100 * 100 - 90 * 90
    assert ring[4, 50] and not ring[5, 50]


def test_an_edge_is_soft_and_far_from_it_nothing_is_mixed() -> None:
    region = np.zeros((200, 200), bool)
    region[:, :100] = True
    blend = soften(region)
    assert blend[100, 50] == 1 and blend[100, 150] == 0
    assert 0 < blend[100, 100] < 0.5 < blend[100, 99] < 1
