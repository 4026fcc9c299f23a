"""`firmware/src/sw_policy.c` on this machine: what it must never do, and where it must arrive."""

from __future__ import annotations

import ctypes
import itertools
import os
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


class State(ctypes.Structure):
    _fields_ = (
        *((name, U32) for name in ("stored", "spent", "gain", "rate", "drawdown", "trough", "reserve")),
        *((name, U16) for name in ("darks", "full_for", "known")),
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
        self.state, self.level, self.stored = State(), thrifty, full // 2
        library.sw_policy_start(ctypes.byref(self.policy), ctypes.byref(self.state))

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
        if chosen < len(self.energies):
            spent = self.energies[chosen] + (0 if chosen == self.level else self.switch)
            assert spent * 17 // 16 <= self.stored + 1  # never started what can't be finished
            thrifty = self.policy.thrifty
            if chosen != thrifty and chosen != self.level:
                assert self.stored - spent >= self.energies[thrifty]  # the next request is safe
            self.stored -= spent
            self.library.sw_policy_done(*both, self.level, chosen)
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


def test_a_dear_switch_is_made_seldom(library):
    """The same energies with free and with dear switches; 80 uJ lie between the levels."""
    changes = {}
    for switch in (0, 60_000):
        device = Device(library, [60_000, 90_000], full=900_000, switch=switch)
        chosen = [c for c in (device.request(80_000) for _ in range(1000)) if c != WAIT]
        changes[switch] = sum(a != b for a, b in itertools.pairwise(chosen))
    assert changes[60_000] < changes[0] / 4


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
