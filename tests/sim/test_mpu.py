"""MPU: segments, rights, violations as errors and as silicon has them, lock, password, IP encapsulation."""

from __future__ import annotations

import pytest

import sim

CTL0, CTL1, SEGB2, SEGB1, SAM, IPC0, IPSEGB2, IPSEGB1 = range(0x5A0, 0x5B0, 2)
ENABLE, LOCK, NMI = 1, 2, 0x10
R, W, X, VS = 1, 2, 4, 8
LOW, HIGH = 0x8000, 0x10000  # borders
PLACES = {0: 0x5000, 1: 0x9000, 2: 0x20000, 3: 0x1900}  # an address in each segment, outside the vectors
FLAGS = {0: 1, 1: 2, 2: 4, 3: 8}
RESET = {"violations": "reset"}


def store(value: int, register: int) -> list[int]:
    return [0x40B2, value & 0xFFFF, register]


def protect(sam: int, control: int = ENABLE) -> list[int]:
    """Borders and rights, then the lock on the registers closed by a byte write without the key."""
    words = store(0xA500, CTL0) + store(LOW >> 4, SEGB1) + store(HIGH >> 4, SEGB2) + store(sam, SAM)
    return [*words, *store(0xA500 | control, CTL0), 0x43C2, CTL0 + 1]


def rights(segment: int, bits: int) -> int:
    """MPUSAM with everything allowed but in one segment."""
    return 0x7777 & ~(0xF << 4 * segment) | bits << 4 * segment


def load(address: int) -> list[int]:
    return [0x1800 | (address >> 16) << 7 | 0x40, 0x4219, address & 0xFFFF]  # MOVX.W &address,R9


def save(address: int) -> list[int]:
    return [0x1840 | address >> 16, 0x4982, address & 0xFFFF]  # MOVX.W R9,&address


@pytest.mark.parametrize("segment", PLACES)
@pytest.mark.parametrize("bits", [0, R, R | W, R | X, R | W | X])
def test_rights_of_every_segment(bare, segment, bits):
    """Code runs in SRAM; table 9-4 of SLAU367P says what each combination allows."""
    at = PLACES[segment]
    for access, allowed in ((load(at), bits != 0), (save(at), bits & W)):
        b = bare(protect(rights(segment, bits)) + access, at=0x2000)
        b.put(at, 0x1234)
        b.r(9, 0x5678)
        if allowed:
            b.go()
            assert b.word(at) == (0x1234 if access == load(at) else 0x5678)
        else:
            with pytest.raises(sim.ProtectionViolation, match=f"0x{at:05X} in .*segment"):
                b.go()
            assert b.word(at) == 0x1234
    b = bare([*protect(rights(segment, bits)), 0x0080 | (at >> 16) << 8, at & 0xFFFF], at=0x2000)  # MOVA #at,PC
    b.put(at, 0x4303, 0x4303)
    if bits & X:
        b.go(until=at + 2)
    else:
        with pytest.raises(sim.ProtectionViolation, match=f"instruction fetch from 0x{at:05X}"):
            b.go(until=at + 2)


@pytest.mark.parametrize("segment", PLACES)
def test_violations_as_silicon_has_them(bare, segment):
    """The write is dropped, the read gives 3FFFh, the flag is set and the NMI names the segment in SYSSNIV."""
    at = PLACES[segment]
    program = [*protect(rights(segment, 0), ENABLE | NMI), *load(at), 0x490A, *save(at), 0x4303, 0x4303]
    b = bare(program, at=0x2000, options=RESET)
    b.put(at, 0x1234)
    routine = 0x6800 if segment != 0 else 0x2100
    b.put(0xFF90 + 2 * 54, routine)
    b.put(routine, 0x421B, 0x19C, 0x421C, CTL1, 0x1300)  # SYSSNIV to R11, MPUCTL1 to R12
    b.go()
    assert b.word(at) == 0x1234
    assert b.r(10) == 0x3FFF
    assert b.r(11) == {0: 0x0C, 1: 0x0E, 2: 0x10, 3: 0x0A}[segment]
    assert b.r(12) == FLAGS[segment]
    assert b.m.counters().interrupts == 2


@pytest.mark.parametrize(("segment", "cause"), [(0, 0x2A), (1, 0x2C), (2, 0x2E), (3, 0x28)])
def test_violation_as_reset(bare, segment, cause):
    """MPUSEGxVS: a PUC; the MPU stays on and its flag tells why."""
    at = PLACES[segment]
    b = bare([*protect(rights(segment, VS)), *save(at), 0x3FFF], at=0x2000, options=RESET)
    b.put(0xFFFE, 0x2200)
    b.put(0x2200, *store(0x5A80, 0x15C), 0x421A, 0x19E, 0x421A, 0x19E, 0x421B, CTL1, 0x421C, CTL0, 0x4303)
    b.m.run(until=0x220A, max_cycles=1000)
    assert b.r(10) in (2, cause)
    b.m.run(until=0x2216, max_cycles=1000)
    assert (b.r(10), b.r(11), b.r(12)) == (cause, FLAGS[segment], 0x9601)


def test_denied_fetch_waits_for_the_nmi(bare):
    """No NMI: JMP $ for ever, which 3FFFh is. With it the routine runs and comes back to the same address."""
    for control in (ENABLE, ENABLE | NMI):
        program = [*protect(rights(1, R), control), 0x4030, 0x9000]  # BR #9000h
        b = bare(program, at=0x2000, options=RESET)
        b.put(0x9000, 0x4303)
        b.put(0xFF90 + 2 * 54, 0x2100)
        b.put(0x2100, 0x421B, 0x19C, 0x5393, 0x0000, 0x4303)
        assert b.m.run(until=0x2104, max_cycles=500) is (sim.Stop.UNTIL if control & NMI else sim.Stop.CYCLES)
        if control == ENABLE:
            assert b.m.pc == 0x9000


def test_code_already_decoded_is_asked_again(bare):
    """A routine in segment 2 runs, then loses its right to."""
    call = [0x12B0, 0x9000]
    b = bare([*call, *protect(rights(1, R | W)), *call], at=0x2000)
    b.put(0x9000, 0x4303, 0x4130)
    with pytest.raises(sim.ProtectionViolation, match="fetch from 0x09000"):
        b.go()
    assert b.m.counters().instructions > 8


def test_disabled_again_everything_is_allowed(bare):
    off = store(0xA500, CTL0)
    b = bare([*protect(rights(1, 0)), *off, *save(0x9000), *load(0x9000)], at=0x2000)
    b.r(9, 77)
    b.go()
    assert b.word(0x9000) == 77


def test_vectors_can_always_be_read(bare):
    """Segment 2 holds the vectors and has no rights; an interrupt still finds its routine (table 9-5)."""
    b = bare([*protect(rights(1, 0)), 0xD232, 0x4303, 0x4303], at=0x2000)
    b.put(0xFF90 + 2 * 20, 0x2100)
    b.put(0x2100, 0x4369, 0x1300)
    b.m.interrupt(20)
    b.go()
    assert b.r(9) == 2
    with pytest.raises(sim.ProtectionViolation):
        bare([*protect(rights(1, R)), *save(0xFFFC)], at=0x2000).go()


def test_dma_obeys_the_rights(bare):
    copy = [*store(0x1D00, 0x512), *store(0x9000, 0x516), *store(1, 0x51A), *store(0x1011, 0x510), 0x4303]
    b = bare([*protect(rights(1, R)), *copy], at=0x2000)
    b.put(0x1D00, 1)
    with pytest.raises(sim.ProtectionViolation, match="DMA channel 0: write to 0x09000"):
        b.go()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (store(0x0001, CTL0), "without the key"),
        (store(0x0777, SAM), "while locked"),
        ([*store(0xA500, CTL0), 0x43C2, CTL0 + 1, *store(0x0777, SAM)], "while locked"),
        ([*store(0xA502, CTL0), *store(0x0777, SAM)], "MPULOCK"),
        ([*store(0xA500, CTL0), *store(0x80, IPC0), *store(0x40, IPC0)], "MPUIPLOCK"),
    ],
)
def test_password_and_lock(bare, words, text):
    with pytest.raises(sim.PasswordViolation, match=text):
        bare(words).go()


def test_wrong_password_resets_when_asked_to(bare):
    b = bare([*store(0x0001, CTL0), 0x3FFF], options=RESET)
    b.put(0xFFFE, 0x5000)
    b.put(0x5000, *store(0x5A80, 0x15C), 0x421A, 0x19E, 0x421A, 0x19E)
    b.m.run(until=0x500E, max_cycles=1000)
    assert b.r(10) == 0x22


def test_registers_and_fixed_border_bits(bare):
    b = bare([*store(0xA500, CTL0), *store(0x0FFF, SEGB1), *load(SEGB1), 0x421A, CTL0, 0x421B, SAM])
    b.go()
    assert (b.r(9), b.r(10), b.r(11)) == (0x0FC0, 0x9600, 0x7777)


def encapsulate(control: int = 0x40) -> list[int]:
    words = store(0xA500, CTL0) + store(0x9000 >> 4, IPSEGB1) + store(0xA000 >> 4, IPSEGB2)
    return words + store(control, IPC0)


def test_ip_encapsulation(bare):
    """Data of the segment are for its own code; not for others, the code in its first 8 bytes, or the DMA."""
    b = bare([*encapsulate(), 0x12B0, 0x9010, 0x4303], at=0x2000)  # CALL #9010h
    b.put(0x9100, 0x4711)
    b.put(0x9010, 0x4219, 0x9100, 0x4130)
    b.go()
    assert b.r(9) == 0x4711
    for words in ([*encapsulate(), *load(0x9100)], [*encapsulate(), *save(0x9100)]):
        with pytest.raises(sim.ProtectionViolation, match="IP encapsulation"):
            bare(words, at=0x2000).go()
    first = bare([*encapsulate(), 0x12B0, 0x9000], at=0x2000)
    first.put(0x9000, 0x4219, 0x9100, 0x4130)
    with pytest.raises(sim.ProtectionViolation, match="IP encapsulation"):
        first.go()
    copy = [*store(0x9100, 0x512), *store(0x1D00, 0x516), *store(1, 0x51A), *store(0x1011, 0x510), 0x4303]
    with pytest.raises(sim.ProtectionViolation, match="DMA channel 0: read of 0x09100"):
        bare([*encapsulate(), *copy], at=0x2000).go()


def test_a_bor_disables_the_mpu(bare):
    """ASSUMPTION mpu-reset."""
    b = bare([*protect(rights(1, 0)), *save(0x9000)], at=0x2000)
    b.go(until=b.end - 6)
    b.m.reset(power_on=False)
    b.put(0x2000, *store(0x5A80, 0x15C), *save(0x9000), 0x4303)
    b.r(9, 5)
    b.m.pc = 0x2000
    b.go(until=0x200C)
    assert b.word(0x9000) == 5


def test_snapshot_of_a_protected_machine(bare, tmp_path):
    b = bare([*protect(rights(1, 0)), *load(0x9000)], at=0x2000)
    b.go(until=b.end - 6)
    b.m.snapshot(tmp_path / "m.snap")
    other = sim.Machine.restore(tmp_path / "m.snap")
    with pytest.raises(sim.ProtectionViolation):
        other.run(max_cycles=10)


def test_host_access_is_not_restricted(bare):
    b = bare(protect(rights(1, 0)), at=0x2000)
    b.go()
    b.m.write(0x9000, b"ab")
    assert b.m.read(0x9000, 2) == b"ab"
