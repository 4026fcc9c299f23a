"""LEA commands against a specification written from sim/LEA.md with Python integers, over all options."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sim

X, Y, Z, BLOCK = 0x2C40, 0x3000, 0x3600, 0x2C10
CONTROL = [(0x0A84, 0x0500), (0x0A8C, 0x0F00), (0x0AC0, 0x0001), (0x0AF4, 0x0010)]
ACCUMULATORS = ["saturate_end", "wrap32", "saturate32", "guard40"]
OPTIONS = st.fixed_dictionaries(
    {
        "accumulator": st.sampled_from(ACCUMULATORS),
        "truncation": st.sampled_from(["floor", "toward_zero"]),
        "long_product": st.sampled_from(["truncate", "wide"]),
        "mpy_rounding": st.sampled_from(["truncate", "round"]),
        "fir_rounding": st.sampled_from(["truncate", "round"]),
    }
)
EXTREMES = [-32768, 32767, -32767, -1, 0, 1]
SHORT = st.integers(-32768, 32767) | st.sampled_from(EXTREMES)
LONG = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([-(2**31), 2**31 - 1, -1, 0])


def move(value: int, to: int) -> list[int]:
    return [0x40B2, value & 0xFFFF, to]


def run(bare, code: int, block: list[int], memory: dict[int, bytes], in1: int = X, **lea: object):
    """Run one command to its end; returns the machine."""
    words = [w for to, value in CONTROL for w in move(value, to)]
    words += move(in1 >> 2, 0xACC) + move(BLOCK >> 2, 0xAC8) + move(code | 2, 0xAD0)
    words += [0xB3D2, 0x0A88, 0x23FD]  # BIT.B #1,&LEACNF1; JNZ to it
    b = bare(words, lea=lea)
    b.m.write(BLOCK, struct.pack(f"<{len(block)}H", *(v & 0xFFFF for v in block)))
    for at, data in memory.items():
        b.m.write(at, data)
    b.go()
    return b.m


def shorts(values) -> bytes:
    return struct.pack(f"<{len(values)}h", *values)


def longs(values) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def read16(m, at: int, count: int) -> list[int]:
    return list(struct.unpack(f"<{count}h", m.read(at, 2 * count)))


def read32(m, at: int, count: int) -> list[int]:
    return list(struct.unpack(f"<{count}i", m.read(at, 4 * count)))


# --- the specification


def clamp(v: int, bits: int) -> int:
    return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, v))


def wrapped(v: int, bits: int) -> int:
    return (v + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def total(terms, o) -> int:
    """The accumulator."""
    s = 0
    for t in terms:
        match o["accumulator"]:
            case "saturate_end":
                s += t
            case "wrap32":
                s = wrapped(s + t, 32)
            case "saturate32":
                s = clamp(s + clamp(t, 32), 32)
            case "guard40":
                s = wrapped(s + t, 40)
    return clamp(s, 32)


def upper(v: int, o, rounding: str | None) -> int:
    if rounding and o[rounding] == "round":
        return clamp((v + 32768) // 65536, 16)
    return v // 65536 if o["truncation"] == "floor" or v >= 0 else -(-v // 65536)


def cut(v: int, o) -> int:
    return v // 2**31 if o["truncation"] == "floor" or v >= 0 else -(-v // 2**31)


def long_total(pairs, o) -> int:
    if o["long_product"] == "truncate":
        return total([cut(a * b, o) if s > 0 else -cut(a * b, o) for a, b, s in pairs], o)
    return total([cut(sum(s * a * b for a, b, s in pairs), o)], o)


def scaled(v: int, scale: int) -> int:
    return clamp(v * scale // 32768, 32)


def complex_terms(x, y, sign: int = 1):
    re, im = [], []
    for (xr, xi), (yr, yi) in zip(x, y, strict=True):
        re += [2 * xr * yr, -sign * 2 * xi * yi]
        im += [sign * 2 * xr * yi, 2 * xi * yr]
    return re, im


def couples(values) -> list[tuple[int, int]]:
    return list(zip(values[::2], values[1::2], strict=True))


# --- the properties

many = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(st.data(), OPTIONS, st.sampled_from([0x040, 0x070, 0x03C]), st.integers(1, 20))
def test_element_wise(bare, data, o, code, half):
    n, strides = 2 * half, data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3)))
    x = data.draw(st.lists(SHORT, min_size=6 * half, max_size=6 * half))
    y = data.draw(st.lists(SHORT, min_size=6 * half, max_size=6 * half))
    m = run(bare, code, [n, Y >> 2, Z >> 2, *strides], {X: shorts(x), Y: shorts(y), Z: bytes(12 * half)}, **o)
    want = [0] * 6 * half
    for i in range(n):
        a, b = x[i // 2 * strides[0] * 2 + i % 2], y[i // 2 * strides[1] * 2 + i % 2]
        v = {0x040: clamp(a + b, 16), 0x070: clamp(a - b, 16), 0x03C: upper(total([2 * a * b], o), o, "mpy_rounding")}
        want[i // 2 * strides[2] * 2 + i % 2] = v[code]
    assert read16(m, Z, 6 * half) == want


@many
@given(st.data(), OPTIONS, st.sampled_from([0x054, 0x134, 0x138, 0x100]), st.integers(1, 30), SHORT)
def test_sums_of_products(bare, data, o, code, half, scale):
    n = 2 * half
    x = data.draw(st.lists(SHORT, min_size=n, max_size=n))
    y = data.draw(st.lists(SHORT, min_size=n, max_size=n))
    block = [n, Y >> 2, Z >> 2, 1, 1, 0] if code == 0x100 else [n, Y >> 2, Z >> 2, scale]
    m = run(bare, code, block, {X: shorts(x), Y: shorts(y)}, **o)
    v = total([2 * a * b for a, b in zip(x, y, strict=True)], o)
    assert read32(m, Z, 1) == [scaled(v, scale) if code == 0x138 else v]


@many
@given(st.data(), OPTIONS, st.integers(1, 8), st.integers(1, 6))
def test_matrix_row(bare, data, o, rows, columns):
    r, c = 2 * rows, 2 * columns
    x = data.draw(st.lists(SHORT, min_size=r, max_size=r))
    y = data.draw(st.lists(SHORT, min_size=r * c, max_size=r * c))
    m = run(bare, 0x034, [r, c, Y >> 2, Z >> 2], {X: shorts(x), Y: shorts(y)}, **o)
    want = [upper(total([2 * x[i] * y[i * c + j] for i in range(r)], o), o, None) for j in range(c)]
    assert read16(m, Z, c) == want


@many
@given(st.data(), OPTIONS, st.sampled_from([0x018, 0x13C]), st.integers(1, 8), st.integers(1, 6), SHORT)
def test_fir(bare, data, o, code, half_n, half_t, scale):
    n, t = 2 * half_n, 2 * half_t
    x = data.draw(st.lists(SHORT, min_size=n + t - 1, max_size=n + t - 1))
    h = data.draw(st.lists(SHORT, min_size=t, max_size=t))
    m = run(bare, code, [n, Y >> 2, Z >> 2, t, 0xFFFF, scale], {X: shorts(x), Y: shorts(h)}, **o)
    sums = [total([2 * x[i + k] * h[t - 1 - k] for k in range(t)], o) for i in range(n)]
    if code == 0x13C:
        sums = [scaled(v, scale) for v in sums]
    assert read16(m, Z, n) == [upper(v, o, "fir_rounding") for v in sums]


@many
@given(st.data(), OPTIONS, st.integers(0, 3), st.integers(1, 4), st.integers(0, 15))
def test_fir_in_a_circular_buffer(bare, data, o, log, half_t, start):
    n, t = 2 << log, 2 * half_t
    buffer = data.draw(st.lists(SHORT, min_size=2 * n, max_size=2 * n))
    h = data.draw(st.lists(SHORT, min_size=t, max_size=t))
    first = 2 * (start % n)
    m = run(
        bare, 0x018, [n, Y >> 2, Z >> 2, t, n - 1, 0], {0x2C80: shorts(buffer), Y: shorts(h)}, 0x2C80 + 2 * first, **o
    )
    want = [total([2 * buffer[(first + i + k) % (2 * n)] * h[t - 1 - k] for k in range(t)], o) for i in range(n)]
    assert read16(m, Z, n) == [upper(v, o, "fir_rounding") for v in want]


@many
@given(
    st.data(),
    st.sampled_from([0x104, 0x108, 0x10C, 0x110, 0x044, 0x048, 0x0E8, 0x0EC]),
    st.integers(1, 12),
    st.sampled_from(["lowest", "highest"]),
)
def test_extremes(bare, data, code, half, ties):
    n, stride = 2 * half, data.draw(st.integers(1, 3)) if code < 0x100 else 1
    x = data.draw(st.lists(SHORT | st.integers(-2, 2), min_size=n * stride, max_size=n * stride))
    block = [n, stride, Z >> 2, 0] if code < 0x100 else [n, Z >> 2]
    m = run(bare, code, block, {X: shorts(x)}, minmax_ties=ties)
    seen = [x[i // 2 * stride * 2 + i % 2] for i in range(n)]
    unsigned = code in (0x10C, 0x110, 0x0E8, 0x0EC)
    keys = [v & 0xFFFF if unsigned else v for v in seen]
    best = max(keys) if code in (0x104, 0x10C, 0x044, 0x0E8) else min(keys)
    index = keys.index(best) if ties == "lowest" else n - 1 - keys[::-1].index(best)
    assert read16(m, Z, 2) == [wrapped(best, 16), index]


@many
@given(st.data(), st.sampled_from([0x0D8, 0x0DC, 0x114, 0x118]), st.integers(1, 12), st.integers(1, 3))
def test_long_extremes(bare, data, code, n, stride):
    x = data.draw(st.lists(LONG | st.integers(-2, 2), min_size=n * stride, max_size=n * stride))
    m = run(bare, code, [n, Z >> 2, stride, 0], {X: longs(x)})
    keys = [v & 0xFFFFFFFF if code >= 0x114 else v for v in x[::stride]]
    best = max(keys) if code in (0x0D8, 0x114) else min(keys)
    assert read32(m, Z, 2) == [wrapped(best, 32), keys.index(best)]


@many
@given(st.data(), st.sampled_from([0x058, 0x05C, 0x060, 0x064]), st.integers(1, 8), st.integers(1, 4))
def test_deinterleave(bare, data, code, half, depth):
    n, channel = 2 * half, int(code >= 0x060)
    depth = 2 * depth - (code in (0x05C, 0x064))
    x = data.draw(st.lists(SHORT, min_size=n * depth + 1, max_size=n * depth + 1))
    m = run(bare, code, [n, depth, Z >> 2, 0], {X: shorts(x)})
    assert read16(m, Z, n) == [x[channel + i * depth] for i in range(n)]


@many
@given(st.data(), OPTIONS, st.sampled_from([0x07C, 0x0D4, 0x074, 0x0D0, 0x12C]), st.integers(1, 12), st.integers(1, 3))
def test_long_vectors(bare, data, o, code, n, stride):
    x = data.draw(st.lists(LONG, min_size=n * stride, max_size=n * stride))
    y = data.draw(st.lists(LONG, min_size=n, max_size=n))
    block = [n, stride, Z >> 2, 0] if code == 0x12C else [n, Y >> 2, Z >> 2, stride, 1, 1]
    m = run(bare, code, block, {X: longs(x), Y: longs(y)}, **o)
    both = list(zip(x[::stride], y, strict=True))
    want = {
        0x07C: [clamp(a + b, 32) for a, b in both],
        0x0D4: [clamp(a - b, 32) for a, b in both],
        0x074: [total([cut(a * b, o)], o) for a, b in both],
        0x0D0: [long_total([(a, b, 1) for a, b in both], o)],
        0x12C: x[::stride],
    }[code]
    assert read32(m, Z, len(want)) == want


@many
@given(st.data(), OPTIONS, st.integers(1, 8), st.integers(1, 6))
def test_fir_long(bare, data, o, n, t):
    x = data.draw(st.lists(LONG, min_size=n + t - 1, max_size=n + t - 1))
    h = data.draw(st.lists(LONG, min_size=t, max_size=t))
    m = run(bare, 0x0C8, [n, Y >> 2, Z >> 2, t, 0xFFFF, 0], {X: longs(x), Y: longs(h)}, **o)
    assert read32(m, Z, n) == [long_total([(x[i + k], h[t - 1 - k], 1) for k in range(t)], o) for i in range(n)]


@many
@given(st.data(), OPTIONS, st.sampled_from([0x078, 0x068, 0x06C]), st.integers(1, 10))
def test_complex_vectors(bare, data, o, code, n):
    x = data.draw(st.lists(SHORT, min_size=2 * n, max_size=2 * n))
    y = data.draw(st.lists(SHORT, min_size=2 * n, max_size=2 * n))
    m = run(bare, code, [n, Y >> 2, Z >> 2, 1, 1, 1], {X: shorts(x), Y: shorts(y)}, **o)
    if code == 0x078:
        want = []
        for a, b in zip(couples(x), couples(y), strict=True):
            want += [upper(total(part, o), o, "mpy_rounding") for part in complex_terms([a], [b])]
        assert read16(m, Z, 2 * n) == want
    else:
        re, im = complex_terms(couples(x), couples(y), -1 if code == 0x06C else 1)
        assert read32(m, Z, 2) == [total(re, o), total(im, o)]


@many
@given(st.data(), OPTIONS, st.sampled_from([0x0E0, 0x124]), st.integers(1, 5), st.integers(1, 4))
def test_complex_fir(bare, data, o, code, n, t):
    kind, pack = (SHORT, shorts) if code == 0x0E0 else (LONG, longs)
    x = data.draw(st.lists(kind, min_size=2 * (n + t - 1), max_size=2 * (n + t - 1)))
    h = data.draw(st.lists(kind, min_size=2 * t, max_size=2 * t))
    m = run(bare, code, [n, Y >> 2, Z >> 2, t, 0xFFFF, 0], {X: pack(x), Y: pack(h)}, **o)
    want = []
    for i in range(n):
        window, taps = couples(x)[i : i + t], couples(h)[::-1]
        if code == 0x0E0:
            want += [upper(total(part, o), o, "fir_rounding") for part in complex_terms(window, taps)]
        else:
            both = list(zip(window, taps, strict=True))
            want.append(long_total([q for (a, b), (c, d) in both for q in ((a, c, 1), (b, d, -1))], o))
            want.append(long_total([q for (a, b), (c, d) in both for q in ((a, d, 1), (b, c, 1))], o))
    assert (read16 if code == 0x0E0 else read32)(m, Z, 2 * n) == want


@many
@given(st.data(), st.integers(1, 20))
def test_bounded_sums_do_not_depend_on_the_accumulator(bare, data, half):
    """The planner's bound, sum of |a b| < 2**30, makes the option irrelevant."""
    n = 2 * half
    limit = 2**30 // n - 1
    x = data.draw(st.lists(SHORT, min_size=n, max_size=n))
    y = [max(-32768, min(32767, v % 65536 - 32768, limit // max(1, abs(a)))) for v, a in zip(x[::-1], x, strict=True)]
    y = [max(v, -(limit // max(1, abs(a)))) for v, a in zip(y, x, strict=True)]
    assert sum(abs(a * b) for a, b in zip(x, y, strict=True)) < 2**30
    seen = {
        run(bare, 0x054, [n, Y >> 2, Z >> 2, 0], {X: shorts(x), Y: shorts(y)}, accumulator=a).read(Z, 4)
        for a in ACCUMULATORS
    }
    rows = {
        run(
            bare,
            0x034,
            [n, 2, Y >> 2, Z >> 2],
            {X: shorts(x), Y: shorts([v for w in y for v in (w, w)])},
            accumulator=a,
        ).read(Z, 4)
        for a in ACCUMULATORS
    }
    assert len(seen) == len(rows) == 1


def test_constant_rom(bare):
    """Copy, negate and fill as DSPLib does them: constants as second input, offset 0."""
    x = [1, -2, 32767, -32768]
    for pointer, code, want in [
        (0xA000, 0x040, x),
        (0xB000, 0x03C, [-1, 2, -32767, 32767]),
        (0xAC00, 0x03C, [0, -2, 32766, -32767]),
    ]:
        m = run(bare, code, [4, pointer, Z >> 2, 1, 0, 1], {X: shorts(x)})
        assert read16(m, Z, 4) == want
    m = run(bare, 0x074, [2, 0xE000, Z >> 2, 1, 0, 1], {X: longs([5, -7])})
    assert read32(m, Z, 2) == [-5, 7]
    m = run(bare, 0x040, [6, 0xA000, Z >> 2, 0, 0, 1], {X: shorts([3, 4])})
    assert read16(m, Z, 6) == [3, 4] * 3


def test_example_of_the_vendor_forum(bare):
    """TI e2e 716353: 9.24, 13.46, 7.23, 10.77 are expected and 9, 13, 7, 10 seen: truncation."""
    sums = [9.24, 13.46, 7.23, 10.77]
    y = [round(v * 8) for v in sums] + [0] * 4
    m = run(bare, 0x034, [2, 4, Y >> 2, Z >> 2], {X: shorts([4096, 0]), Y: shorts(y)})
    assert read16(m, Z, 4) == [9, 13, 7, 10]


def test_in_place_is_legal_element_by_element(bare):
    m = run(bare, 0x040, [4, Y >> 2, X >> 2, 1, 1, 1], {X: shorts([1, 2, 3, 4]), Y: shorts([10, 20, 30, 40])})
    assert read16(m, X, 4) == [11, 22, 33, 44]


@pytest.mark.parametrize(
    "bad",
    [
        {"acumulator": "wrap32"},
        {"accumulator": "wrap"},
        {"cycles": "fast"},
        {"cycles": {"fri": "low"}},
        {"stall_cycles": 99},
        {"refuse": ["MAC4"]},
        {"refuse": "MAC3"},
        {"file": "/nonexistent"},
    ],
)
def test_options_are_checked(bad):
    with pytest.raises(ValueError, match="LEA"):
        sim.Machine(lea=bad)


def test_options_are_named_in_assumptions():
    text = "\n".join(sim.Machine(lea={"accumulator": "wrap32", "cycles": {"fir": "low"}}).assumptions)
    assert "lea-option-accumulator: wrap32 (default saturate_end)" in text
    assert "lea-option-cycles: best, low" in text
    assert "lea-option-stall-cycles: 1;" in text
