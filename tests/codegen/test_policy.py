"""`codegen/policy.py`: prices from measurements, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.policy import NEVER, LevelCost, PolicyError, Store, policy_source, prices

LEVELS = [LevelCost("98", 60e-6, 0.01, 98.0), LevelCost("90", 90e-6, 0.02, 99.2), LevelCost("60", 150e-6, 0.03, 99.3)]
FREE = [[0.0] * 3] * 3


def test_the_price_is_what_the_gain_per_joule_lost():
    """1.2 points for 30 uJ, then 0.1 points for 60 uJ: 1 - (0.1 / 60) / (1.2 / 30) = 0.958."""
    assert prices(LEVELS) == (0, [0, 0, round(256 * (1 - (0.1 / 60) / (1.2 / 30)))])


def test_levels_that_another_one_beats_are_not_used():
    worse = [LevelCost("a", 100e-6, 0.01, 99.0), LevelCost("b", 80e-6, 0.01, 99.1), LevelCost("c", 200e-6, 0.02, 99.1)]
    assert prices(worse) == (1, [NEVER, 0, NEVER])


@given(st.lists(st.tuples(st.floats(1e-6, 1e-2), st.floats(10, 100)), min_size=1, max_size=6))
def test_prices_rise_along_the_hull(values):
    levels = [LevelCost(str(k), e, 0.01, a) for k, (e, a) in enumerate(values)]
    thrifty, price = prices(levels)
    assert levels[thrifty].energy_j == min(level.energy_j for level in levels)
    used = sorted((k for k in range(len(levels)) if price[k] != NEVER), key=lambda k: levels[k].accuracy)
    assert used[0] == thrifty
    assert levels[used[-1]].accuracy == max(level.accuracy for level in levels)
    assert [price[k] for k in used] == sorted(price[k] for k in used)
    assert [levels[k].energy_j for k in used] == sorted(levels[k].energy_j for k in used)


@given(st.floats(1e-6, 0.03), st.floats(1.8, 2.5), st.integers(1800, 3600))
def test_the_scale_turns_millivolts_into_nanojoules(capacitor, v_off, mv):
    store = Store(capacitor, v_off)
    scale, shift = store.scale()
    counted = max(0, (mv * mv >> 10) - (round(v_off * 1000) ** 2 >> 10)) * scale >> shift
    exact = 0.5e9 * capacitor * max(0.0, (mv / 1000) ** 2 - v_off**2)
    assert counted < 1 << 32
    squares = 2 * 1024 + v_off * 1000  # mV * mV: two roundings to 1024, v_off to a millivolt
    assert abs(counted - exact) <= 0.5e9 * capacitor * squares * 1e-6 + exact / scale + 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Store(0), "no store"),
        (lambda: Store(float("nan")), "no store"),
        (lambda: Store(1e-4, 3.0, 2.0), "no store"),
        (lambda: Store(1e-4, 1.9, 5.0), "no store"),
        (lambda: Store(0.2), "choose a smaller one"),
        (lambda: policy_source(LEVELS, FREE, Store(10e-6), "x"), "take a capacitor of 14 uF"),
        (lambda: policy_source([LevelCost("0", float("nan"), 1, 1)], [[0.0]], Store(1e-3), "x"), "no measurement"),
    ],
)
def test_what_makes_no_policy_is_refused(make, message):
    with pytest.raises(PolicyError, match=message):
        make()


def test_the_text_has_what_was_measured():
    text = policy_source(LEVELS, [[0, 1e-6, 2e-6], [1e-6, 0, 1e-6], [2e-6, 1e-6, 0]], Store(100e-6), "somebody")
    assert "{60000, 10000, 0}, // 98 %: 98.00 % right" in text
    assert "    0, 1000, 2000,\n" in text
    assert ".full_nj = 467500," in text
