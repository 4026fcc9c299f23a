"""Fitting prices: known ones are found again, what samples leave open stays, samples use every primitive."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codegen.cost import Beside, Command, Work
from codegen.fit import Sample, fit_prices
from codegen.microbench import graphs
from codegen.plans import plan_project
from codegen.target import load_target

TARGET = load_target("msp430fr5994")


def samples(prices: dict[str, float], seed: int = 1) -> list[Sample]:
    """Layers with seeded counts, measured by `prices` without noise."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(60):
        work = Work()
        work.add(1, tile=rng.integers(1, 9), fetch=rng.integers(1, 99), fetch_word=rng.integers(9, 9999))
        beside = (Beside({"clip": float(rng.integers(1, 200))}, 40),)
        work.commands.append(Command(float(rng.integers(1, 50)), 2 * int(rng.integers(1, 60)), 40, beside))
        overlap = bool(i % 2)
        made.append(Sample(str(i), work, overlap, work.cycles(prices, overlap)))
    return made


def test_known_prices_are_found_again() -> None:
    truth = dict(TARGET.prices) | {"tile": 500.0, "fetch": 60.0, "fetch_word": 3.0, "clip": 20.0, "row_mac": 1.5}
    fit = fit_prices(samples(truth), TARGET.prices)
    for name in ("tile", "fetch", "fetch_word", "clip", "row_mac"):
        assert fit.prices[name] == pytest.approx(truth[name], rel=0.05), name
    assert max(map(abs, fit.errors)) < 0.02


def test_prices_without_samples_stay() -> None:
    fit = fit_prices(samples(dict(TARGET.prices)), TARGET.prices)
    assert fit.prices["relu_word"] == TARGET.prices["relu_word"]
    assert fit.prices["tile"] == pytest.approx(TARGET.prices["tile"], rel=0.01)


def test_micro_benchmarks_use_the_primitives_of_every_kind() -> None:
    used: set[str] = set()
    for graph in graphs():
        for backend in ("cpu", "lea"):
            plans = plan_project(graph, replace(TARGET, step_cycles=256_000), backend)
            used |= {name for k in range(len(graph.levels)) for w in plans.work(k) for name in w.serial()}
    elsewhere = ("external", "swap", "unpack", "dot", "store_far", "add", "seek", "step", "requant", "block")
    ours = {n for n in TARGET.prices if not n.startswith(elsewhere)}
    assert ours - used == {"stall"}
