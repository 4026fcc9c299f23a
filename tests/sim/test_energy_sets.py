"""Energy sets: every number has its source, the sets agree with what they were made from, and nothing is free."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim import Counters, EnergyModel

OVERLAYS = {"paper-memory"}
SETS = [n for n in EnergyModel.names() if n not in OVERLAYS]


def test_the_published_sets_are_there():
    assert {"fused", "inas", "datasheet"} <= set(SETS)
    assert set(EnergyModel.names()) == set(SETS) | OVERLAYS


@pytest.mark.parametrize("name", SETS)
def test_every_number_has_source_error_and_conditions(name):
    model = EnergyModel.load(name)
    assert model.name == name
    assert set(model.coefficients) >= {e for e in sim.EVENTS if not e.startswith("lpm")}  # those go by time
    numbers = [*model.coefficients.values(), *model.currents.values(), *model.charges.values()]
    assert all(q.source and q.conditions and 0 < q.error <= 1 for q in numbers)
    assert model.voltage_v == 3.0
    assert model.assumptions
    rates = model.rates()
    assert all(p >= 0 for p in rates.prices)
    assert len(rates.prices) == len(Counters.__dataclass_fields__)
    assert rates.cycle_j >= max(c.joules for c in model.coefficients.values())


@pytest.mark.parametrize("name", SETS)
def test_sleep_wake_up_and_reset_are_priced(name):
    model = EnergyModel.load(name)
    assert model.charge_j("reset") == pytest.approx(102e-9 * 3.0)
    assert model.charge_j("reset", 2.0) == pytest.approx(102e-9 * 2.0)
    assert model.charge_j("wake_lpm0") < model.charge_j("wake_lpm1") < model.charge_j("wake_lpm3")
    assert model.sleep_a("lpm0") == pytest.approx(240e-6)
    assert model.sleep_a("lpm4") < model.sleep_a("lpm3") < model.sleep_a("lpm1")
    with pytest.raises(sim.MissingCoefficient, match=r"no current for lpm4\.5"):
        model.sleep_a("lpm4.5")


def mixture(hits: int, misses: int, wait: int) -> Counters:
    return Counters(fetch_hit=hits, fetch_miss=misses, wait_cycles=wait, cycles=hits + misses + wait)


@pytest.mark.parametrize(
    ("name", "mhz", "waits", "microamperes"),
    [
        ("datasheet", 16, 1, {0: 3000, 50: 2265, 66: 1880, 75: 1620, 100: 790}),
        ("datasheet-8mhz", 8, 0, {0: 2850, 50: 1650, 66: 1240, 75: 1015, 100: 450}),
    ],
)
def test_datasheet_currents_come_back(name, mhz, waits, microamperes):
    """The set reproduces the table it was solved from: average current by hit ratio."""
    model = EnergyModel.load(name)
    for percent, current in microamperes.items():
        c = mixture(percent, 100 - percent, waits * (100 - percent))
        power = model.energy_j(c) / c.cycles * mhz * 1e6
        assert power / model.voltage_v * 1e6 == pytest.approx(current, rel=0.09 if percent == 66 else 0.04)


def test_inas_is_one_price_per_cycle():
    model = EnergyModel.load("inas")
    c = Counters(fetch_hit=10, fetch_miss=3, sram_read=4, fram_write=2, idle_cycles=5, wait_cycles=1, cycles=25)
    assert model.energy_j(c) == pytest.approx(25 * 330e-12)
    assert (model.energy_j(c) - model.error_j(c)) / 25 <= 0.27e-9
    assert (model.energy_j(c) + model.error_j(c)) / 25 >= 0.44e-9


def test_sets_agree_within_their_bounds(bare):
    """Straight code at 16 MHz, three of four words hit: all sets overlap. (A loop that stays in the cache costs half
    of an average cycle by the datasheet; the one price of iNAS cannot follow there.)"""
    b = bare([0x4925, 0x5506, 0x4682, 0x2000] * 60, nwaits=1)
    b.r(9, 0x5000)
    c = b.go()
    assert c.fetch_hit / (c.fetch_hit + c.fetch_miss) == pytest.approx(0.75, abs=0.01)
    spans = []
    for name in SETS:
        model = EnergyModel.load(name)
        spans.append((model.energy_j(c) - model.error_j(c), model.energy_j(c) + model.error_j(c)))
    assert max(low for low, _ in spans) < min(high for _, high in spans)


def test_overlay_replaces_memory_costs():
    plain, over = EnergyModel.load("fused"), EnergyModel.load("fused+paper-memory")
    assert over.name == "fused+paper-memory"
    words = Counters(read_miss=600_000, cycles=600_000)  # 1.2 MB
    assert over.energy_j(words) == pytest.approx(1.47e-3)
    words = Counters(fram_write=650_000, cycles=650_000)  # 1.3 MB
    assert over.energy_j(words) == pytest.approx(1.51e-3, rel=1e-3)
    fetches = mixture(100, 10, 0)
    assert over.energy_j(fetches) == plain.energy_j(fetches)
    assert over.transfer(read_bytes=1_200_000) == pytest.approx((1.0, 1.47e-3))
    assert over.transfer(read_bytes=600_000, write_bytes=1_300_000) == pytest.approx((1.5, 0.735e-3 + 1.51e-3))
    assert plain.transfer() == (0.0, 0.0)
    with pytest.raises(sim.MissingCoefficient, match="add \\+paper-memory"):
        plain.transfer(write_bytes=1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("paper-memory", "is an overlay"),
        ("fused+inas", "not an overlay"),
        ("fused+nothing", "no energy set 'nothing'; there are: datasheet"),
        ("../fused", "no energy set"),
        ("", "no energy set"),
    ],
)
def test_unknown_sets(name, text):
    with pytest.raises(ValueError, match=text):
        EnergyModel.load(name)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("[coefficient.sram_read]", "[coefficient.sram_raed]", "unknown event 'sram_raed'"),
        ('unit = "uA"', 'unit = "A"', "a unit of nA, uA, mA"),
        ("value = 0.5", "value = -1", ">= 0"),
    ],
)
def test_bad_files(tmp_path, old, new, text):
    folder = Path(sim.__file__).parent / "data" / "energy"
    whole = (folder / "parts" / "sleep.toml").read_text() + "\n" + (folder / "fused.toml").read_text()
    head = whole.index("# Energy per event")
    mixed = whole[head:].replace('include = ["sleep"]\n', "") + "\n" + whole[:head]
    assert old in mixed
    (tmp_path / "bad.toml").write_text(mixed.replace(old, new, 1))
    with pytest.raises(ValueError, match=text):
        EnergyModel.load(path=tmp_path / "bad.toml")


def test_every_counter_has_a_price_or_a_place_where_its_cost_lies():
    """A counter that somebody adds belongs into one of these lists, or this fails."""
    from sim.counters import BESIDE, COST_ELSEWHERE
    from sim.energy import MODES

    asleep = {f"{mode}_{what}" for mode in MODES for what in ("ns", "wakeups")}
    known = [*sim.EVENTS, *BESIDE, *COST_ELSEWHERE, *asleep, "resets"]
    assert sorted(known) == sorted(Counters.__dataclass_fields__)


@pytest.mark.parametrize("name", SETS)
def test_each_event_costs_something_or_raises(name):
    """One event of each kind raises the energy: in the sum, in the error bound, in what the core is given."""
    from sim.counters import BESIDE

    model, fields = EnergyModel.load(name), list(Counters.__dataclass_fields__)
    asleep = [f"lpm{k}_{what}" for k in range(5) for what in ("ns", "wakeups")]
    for event in (*(e for e in sim.EVENTS if not e.startswith("lpm")), *BESIDE, *asleep, "resets"):
        one = Counters(**{event: 1000})
        assert model.energy_j(one) > 0, event
        assert 0 < model.error_j(one) <= model.energy_j(one), event
        assert model.rates().prices[fields.index(event)] * 1000 == pytest.approx(model.energy_j(one)), event


def test_an_event_without_a_price_raises_also_on_a_supply(tmp_path):
    text = (Path(sim.__file__).parent / "data" / "energy" / "fused.toml").read_text()
    (tmp_path / "set.toml").write_text(text.replace(', "external"', ""))
    model = EnergyModel.load(path=tmp_path / "set.toml")
    with pytest.raises(sim.MissingCoefficient, match="3 x spi_fram_bytes"):
        model.energy_j(Counters(spi_fram_bytes=3))
    assert list(Counters.__dataclass_fields__).index("spi_fram_bytes") in model.rates().unpriced


def test_external_fram_bytes():
    """1.2 mA at 20 MHz is 1.44 nJ per byte at 3 V; iNAS: 27 nJ per 16-bit element with the share of the CPU."""
    byte = EnergyModel.load("fused").energy_j(Counters(spi_fram_bytes=1))
    assert byte == pytest.approx(1.2e-3 * 3.0 / (20e6 / 8))
    inas = EnergyModel.load("inas")
    element = inas.energy_j(Counters(spi_fram_bytes=2, idle_cycles=64, cycles=64))
    assert element == pytest.approx(27e-9, rel=0.01)
