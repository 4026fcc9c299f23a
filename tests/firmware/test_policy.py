"""`firmware/src/sw_policy.c` on this machine: what it must never do, and where it must arrive."""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import random
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import ROOT

WAIT, LATE, NO_DEADLINE, NEVER = 0xFFFF, 0xFFFE, 0xFFFFFFFF, 0xFFFF
U16, U32 = ctypes.c_uint16, ctypes.c_uint32


class Cost(ctypes.Structure):
    _fields_ = (("energy_nj", U32), ("latency_us", U32), ("price", U16))


class Note(ctypes.Structure):
    _fields_ = (("trusted", U16), ("trial", U16), ("failures", U16))


class State(ctypes.Structure):
    _fields_ = (
        ("note", ctypes.POINTER(Note)),
        *((name, U32) for name in ("income", "income_before", "stored", "highest", "spent", "gain", "rate", "most")),
        *((name, U32) for name in ("drawdown", "trough", "deepest", "deepest_before", "reserve")),
        *((name, U16) for name in ("darks", "full_for", "falls", "requests")),
    )


HOOK = ctypes.CFUNCTYPE(U16, ctypes.POINTER(State), U16)


class Policy(ctypes.Structure):
    _fields_ = (
        ("levels", U16), ("thrifty", U16), ("cost", ctypes.POINTER(Cost)), ("switch_nj", ctypes.POINTER(U32)),
        ("full_nj", U32), ("empty_mv2", U32), ("scale", U16), ("shift", U16), ("hook", HOOK),
    )  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    cc = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if cc is None or os.name == "nt":
        pytest.skip("no C compiler that makes a shared library")
    out = tmp_path_factory.mktemp("policy") / "policy.so"
    flags = [
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        "-fsanitize=undefined",
        "-fno-sanitize-recover=all",
    ]
    source = ROOT / "src" / "sw_policy.c"
    subprocess.run([cc, *flags, "-fPIC", "-shared", f"-I{ROOT / 'include'}", str(source), "-o", str(out)], check=True)
    lib = ctypes.CDLL(str(out))
    lib.sw_policy_pick.restype = lib.sw_policy_deadline.restype = U16
    lib.sw_policy_energy.restype = U32
    return lib


class Device:
    """A store that the policy decides about, in nanojoules."""

    def __init__(self, library, energies, full=500_000, prices=None, switch=0, latencies=None, hook=None):
        n = len(energies)
        self.library, self.energies, self.full, self.switch = library, energies, full, switch
        self._cost = (Cost * n)(
            *(Cost(e, (latencies or energies)[k], (prices or [0] * n)[k]) for k, e in enumerate(energies))
        )
        self._switch = (U32 * (n * n))(*(0 if i == j else switch for i in range(n) for j in range(n)))
        thrifty = min(range(n), key=lambda k: energies[k])
        self.policy = Policy(n, thrifty, self._cost, self._switch, full, 0, 0, 0, hook or HOOK())
        self.state, self.level, self.stored, self.said = State(), thrifty, full // 2, []
        library.sw_policy_start(ctypes.byref(self.policy), ctypes.byref(self.state), None)

    def pick(self, left=NO_DEADLINE):
        return self.library.sw_policy_pick(
            ctypes.byref(self.policy), ctypes.byref(self.state), self.level, self.stored, U32(left)
        )

    def request(self, income, left=NO_DEADLINE):
        """`income` comes in, a request comes; returns what the policy says, and does it."""
        self.stored = min(self.full, self.stored + income)
        both = ctypes.byref(self.policy), ctypes.byref(self.state)
        self.library.sw_policy_request(*both, self.stored)
        chosen = self.pick(left)
        self.said.append(chosen)
        if chosen < len(self.energies):
            spent = self.energies[chosen] + (0 if chosen == self.level else self.switch)
            assert spent * 17 // 16 <= self.stored + 1  # never started what can't be finished
            thrifty = self.policy.thrifty
            if chosen != thrifty and chosen != self.level:
                assert self.stored - spent >= self.energies[thrifty]  # the next request is safe
            self.stored -= spent
            self.library.sw_policy_done(*both, self.level, chosen, 1)
            self.level = chosen
        return chosen


def settings_of(draw):
    n = draw(st.integers(1, 5))
    energies = draw(st.lists(st.integers(1_000, 400_000), min_size=n, max_size=n))
    prices = [draw(st.sampled_from([0, 10, 200, 256, NEVER])) for _ in range(n)]
    prices[energies.index(min(energies))] = 0
    return energies, prices, draw(st.integers(0, 200_000))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_nothing_is_started_that_the_store_cannot_finish(library, data):
    energies, prices, switch = settings_of(data.draw)
    device = Device(library, energies, 500_000, prices, switch)
    for income, left in data.draw(
        st.lists(st.tuples(st.integers(0, 600_000), st.sampled_from([NO_DEADLINE, 0, 1_000, 100_000])), max_size=60)
    ):
        chosen = device.request(income, left)
        if chosen < len(energies):
            assert energies[chosen] <= left  # latency in microseconds here
            assert prices[chosen] != NEVER or chosen == device.level
        else:
            assert chosen in (WAIT, LATE)
            assert all(e > left for e in energies) or chosen == WAIT


def test_plenty_arrives_at_the_densest_level(library):
    device = Device(library, [60_000, 90_000, 150_000], prices=[0, 0, 245])
    chosen = [device.request(300_000) for _ in range(300)]
    assert chosen[-100:] == [2] * 100
    assert WAIT not in chosen


def test_scarcity_stays_at_the_thrifty_level(library):
    device = Device(library, [60_000, 90_000, 150_000], prices=[0, 0, 245])
    chosen = [device.request(40_000) for _ in range(600)]
    assert set(chosen) == {0, WAIT}
    assert abs(chosen.count(0) / len(chosen) - 40 / 60) < 0.02  # no joule is lost


def test_between_them_the_store_is_spent_on_what_gains_most(library):
    """80 uJ for each request: 60 and 90 mixed, the dear level hardly ever, no request missed."""
    device = Device(library, [60_000, 90_000, 150_000], prices=[0, 0, 245])
    chosen = [device.request(80_000) for _ in range(1000)][200:]
    assert WAIT not in chosen
    assert 0.55 < chosen.count(1) / len(chosen) < 0.75
    assert chosen.count(2) < 20


def test_a_dark_that_was_seen_is_provided_for(library):
    """Seven requests bright, five dark, again and again: five at the thrifty level take 300 of 500 uJ."""
    device = Device(library, [60_000, 150_000])
    chosen = [device.request(300_000 if k % 12 < 7 else 0) for k in range(12 * 60)]
    late = chosen[12 * 20 :]
    assert WAIT not in late
    assert 1 in late  # and bright requests are not all thrifty


@pytest.mark.parametrize("cloud", [0, 2])
@pytest.mark.parametrize("requests", [48, 150, 400])
@pytest.mark.parametrize("noon", [80_000, 140_000, 190_000, 300_000])
@pytest.mark.parametrize("full", [500_000, 2_000_000])
def test_the_first_evenings_find_the_store_full(library, requests, noon, full, cloud):
    """Days with their nights that nobody announced: of each night, hardly a request less than at the thrifty level."""
    chance = random.Random(requests * noon + full + cloud)
    device = Device(library, [60_000, 150_000], full=full)
    stored, dense = full // 2, 0
    for day in range(3):
        begun, thrifty = len(device.said), 0
        for k in range(requests):
            income = max(0.0, noon * math.sin(2 * math.pi * k / requests) * chance.uniform(0.95, 1.05))
            if cloud and 0.3 * requests <= k < 0.3 * requests + cloud:
                income = 20_000.0
            device.request(int(income))
            stored = min(full, stored + int(income))
            if stored >= 60_000 * 17 // 16:
                stored -= 60_000
                thrifty += 1
        said = device.said[begun:]
        assert len(said) - said.count(WAIT) >= thrifty - 2 - (day == 0), "what a store that counts as full may lack"
        dense += said.count(1)
    assert noon < 190_000 or dense >= requests // 16


@pytest.mark.parametrize("income", [(72_000, 88_000), (78_000, 82_000)])
def test_what_comes_in_unevenly_is_used(library, income):
    """Never a dark, and never too little for the thrifty level: a part of 80 uJ goes into the dense one."""
    chance = random.Random(1)
    device = Device(library, [60_000, 90_000])
    chosen = [device.request(chance.randint(*income)) for _ in range(2000)]
    assert WAIT not in chosen
    assert chosen.count(1) > 100


def test_a_dip_is_forgotten(library):
    device = Device(library, [60_000, 150_000])
    assert 1 in [device.request(300_000) for _ in range(50)]
    for _ in range(30):
        device.request(100_000)
    assert 1 in [device.request(300_000) for _ in range(500)]


def test_after_a_reset_it_stays_sparse_for_a_while(library):
    device = Device(library, [60_000, 90_000])
    device.stored = device.full
    assert {device.request(300_000) for _ in range(7)} == {0}


def test_a_dear_switch_is_made_seldom(library):
    """The same energies with free and with dear switches; 80 uJ lie between the levels."""
    changes = {}
    for switch in (0, 60_000):
        device = Device(library, [60_000, 90_000], full=900_000, switch=switch)
        chosen = [c for c in (device.request(80_000) for _ in range(1000)) if c != WAIT]
        changes[switch] = sum(a != b for a, b in itertools.pairwise(chosen))
    assert changes[60_000] < changes[0] / 4


def test_a_dear_switch_is_made_where_plenty_comes_in(library):
    device = Device(library, [60_000, 90_000, 150_000], full=900_000, switch=60_000)
    chosen = [device.request(300_000) for _ in range(2000)]
    assert WAIT not in chosen
    assert chosen.count(2) > 1200
    assert sum(a != b for a, b in itertools.pairwise(chosen)) <= 6


def test_deadline_alone(library):
    device = Device(library, [60, 90, 150], prices=[0, 0, NEVER], latencies=[10, 20, 30])
    ask = lambda left: library.sw_policy_deadline(ctypes.byref(device.policy), U32(left))  # noqa: E731
    assert [ask(left) for left in (9, 10, 19, 20, 1000)] == [LATE, 0, 0, 1, 1]


def test_the_hook_has_the_last_word(library):
    seen = []

    def hook(state, proposed):
        seen.append((state.contents.reserve, proposed))
        return 1

    device = Device(library, [60_000, 90_000], hook=HOOK(hook))
    assert device.pick() == 1
    assert seen == [(500_000, 0)]


def test_energy_of_a_voltage(library):
    """100 uF above 1.9 V: scale and shift as codegen/policy.py makes them."""
    device = Device(library, [60_000])
    device.policy.scale, device.policy.shift, device.policy.empty_mv2 = 52429, 10, 1_900**2 >> 10
    energy = lambda mv: library.sw_policy_energy(ctypes.byref(device.policy), U16(mv))  # noqa: E731
    for mv in range(0, 3700, 7):
        exact = max(0.0, 0.5e9 * 100e-6 * ((mv / 1000) ** 2 - 1.9**2))
        assert abs(energy(mv) - exact) < 120  # nanojoules: two steps of mV * mV / 1024


class Weak(Device):
    """A store that an inference empties on the way: it goes on when `on` nanojoules have come in again."""

    def __init__(self, library, energies, full, period_us, **options):
        super().__init__(library, energies, full, **options)
        self.on, self.period_us, self.note, self.off = full // 2, period_us, Note(), False
        self.start()

    def start(self):
        self.state = State()
        self.library.sw_policy_start(self.both()[0], self.both()[1], ctypes.byref(self.note))

    def both(self):
        return ctypes.byref(self.policy), ctypes.byref(self.state)

    def sample(self, nanojoules_per_us):
        """A request, and all that happens until the next one; the level that was done in time, or None."""
        left, power = self.period_us, nanojoules_per_us
        if self.off:
            wait = (self.on - self.stored) / power if power else float("inf")
            if wait > left:
                self.stored += left * power
                return None
            left, self.stored, self.off = left - wait, self.on, False
            self.start()
        self.library.sw_policy_request(*self.both(), int(self.stored))
        chosen = self.library.sw_policy_pick(*self.both(), self.level, int(self.stored), U32(int(left)))
        done = None
        if chosen < len(self.energies):
            self.library.sw_policy_begin(*self.both(), chosen)
            left = self.infer(self.energies[chosen], left, power)
            if left is None:
                return None
            self.library.sw_policy_done(*self.both(), self.level, chosen, 1)
            self.level = done = chosen
            if self.library.sw_policy_watches(*self.both()):
                gained = min(self.full - self.stored, left * power / 8)
                store = int(self.stored), int(self.stored + gained)
                self.library.sw_policy_watched(*self.both(), *map(U32, store), U32(int(left / 8)))
        self.stored = min(self.full, self.stored + left * power)
        return done

    def infer(self, need, left, power):
        """What is left of the period; None if it does not suffice."""
        while need > self.stored:
            need, self.stored = need - self.stored, 0
            wait = self.on / power if power else float("inf")
            if wait > left:
                self.stored, self.off = left * power, True
                return None
            left, self.stored = left - wait, self.on
            self.start()
        self.stored -= need
        return left


def test_what_comes_in_finishes_more_than_the_store_holds(library):
    """0.9 mJ for each request, 0.68 mJ for the dense level, 0.47 mJ in the store."""
    device = Weak(library, [190_000, 490_000, 680_000], 467_500, 900_000, latencies=[20, 50, 70])
    done = [device.sample(1.0) for _ in range(200)]
    assert None not in done
    assert done[:16] == [0] * 16 and done[30:] == [2] * 170
    assert device.note.failures == 0


@pytest.mark.parametrize("watts", [0.1e-3, 0.3e-3, 0.5e-3, 0.6e-3, 0.75e-3])
def test_too_little_comes_in_and_nothing_is_tried(library, watts):
    device = Weak(library, [190_000, 680_000], 467_500, 900_000, latencies=[20, 70])
    done = [device.sample(watts * 1e3) for _ in range(300)]
    assert set(done) <= {0, None}
    assert device.note.failures == 0


def test_evening_ends_it_before_a_request_is_missed(library):
    device = Weak(library, [190_000, 680_000], 467_500, 900_000, latencies=[20, 70])
    powers = [1.0] * 60 + [1.0 - 0.01 * k for k in range(75)] + [0.25] * 50
    done = [device.sample(power) for power in powers]
    assert done[50] == 1 and done[-1] == 0
    assert None not in done
    assert device.note.trusted == 0 and device.note.failures == 0


@pytest.mark.parametrize("power", [1.5, 2.5, 4.0])
@pytest.mark.parametrize("gap", [1, 2, 3])
def test_bursts_are_not_taken_for_plenty(library, gap, power):
    """Much comes in now and then, but never in two requests one behind the other."""
    device = Weak(library, [190_000, 680_000], 467_500, 900_000, latencies=[20, 70])
    done = [device.sample(power if k % (gap + 1) == 0 else 0.3) for k in range(300)]
    assert set(done) == {0}
    assert device.note.failures == 0


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0, 8.0])
def test_plenty_is_seen_however_much_it_is(library, power):
    """A store that is full again before it was measured twice."""
    device = Weak(library, [190_000, 680_000], 467_500, 900_000, latencies=[20_000, 70_000])
    assert [device.sample(power) for _ in range(60)][30:] == [1] * 30


def test_less_that_comes_in_ends_it_while_the_store_is_full(library):
    """The level is beyond the store by its margin only, so no reset ends what was learned."""
    device = Weak(library, [190_000, 450_000], 467_500, 900_000, latencies=[20, 70])
    assert [device.sample(1.0) for _ in range(40)][-1] == 1
    for k in range(60):
        full = device.stored >= device.full
        power = 1.0 - 0.01 * k
        if device.sample(power) == 0:
            break
        assert full
    assert full and power * 900_000 > 450_000, "before it would have been missed"
    assert device.note.trusted == 0


@pytest.mark.parametrize(
    ("gains", "expected"), [((500, 500), 500), ((500, 400), 300), ((400, 500), 400), ((500, 100), 0), ((500,), 500)]
)
def test_what_is_expected_of_two_measurements(library, gains, expected):
    """Of a trusted level: nanojoules in 1.024 ms, against what it takes and 1/8 more."""
    device = Weak(library, [190_000, 450_000], 467_500, 900_000, latencies=[20, 70])
    device.note.trusted = 2
    for gain in gains:
        device.library.sw_policy_done(*device.both(), 0, 0, 1)
        device.library.sw_policy_watched(*device.both(), U32(100_000), U32(100_000 + 50 * gain), U32(50 << 10))
    most = expected * 8 // 9
    for need, level in ((most - 8, 1), (most + 8, 0)):
        if need > 0:
            device._cost[1].energy_nj, device.policy.full_nj, device.stored = need * 1000, need * 1000, need * 1000
            left = U32(1000 << 10)
            device._cost[0].energy_nj = 1
            assert device.library.sw_policy_pick(*device.both(), 0, device.stored, left) == level


def test_a_sudden_dark_is_remembered(library):
    """One request is lost to each trial, and from then on trials are rarer."""
    device = Weak(library, [190_000, 680_000], 467_500, 900_000, latencies=[20, 70])
    begun = []
    for _ in range(6):
        for k in range(1000):
            if device.sample(1.0) == 1:
                begun.append(k)
                break
        else:
            begun.append(None)
        assert device.sample(0.05) != 1
        for _ in range(30):
            device.sample(0.15)
    assert begun[0] < 20
    assert all(b > a for a, b in itertools.pairwise(begun[:4]))
    assert device.note.failures >= 3
    assert device.note.trusted == 0


@settings(max_examples=100, deadline=None)
@given(
    powers=st.lists(st.floats(0, 2), min_size=1, max_size=12),
    each=st.integers(1, 60),
    note=st.tuples(*[st.sampled_from([0, 1, 2, 3, 4, 5, 40, 0xFFFF])] * 3),
)
def test_any_note_is_survived(library, powers, each, note):
    """FRAM may hold what an older program left; and what is in the note is always true again soon."""
    device = Weak(library, [190_000, 490_000, 680_000], 467_500, 900_000, latencies=[20, 50, 70])
    device.note = Note(*note)
    device.start()
    for power in powers:
        for _ in range(each):
            device.sample(power)
            assert device.note.trusted <= 3 or device.note.trusted == note[0]
    for _ in range(400):
        device.sample(0.25)
    assert device.note.trusted == 0
    assert device.sample(0.25) == 0
