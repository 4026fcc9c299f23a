// SPDX-License-Identifier: Apache-2.0
// Registers of the LEA and the life of a command (TI header msp430fr5994.h; sequence of TI's DSPLib).
//
// Modelled / Not modelled: see lea.h.
#include "lea.h"
#include "machine.h"

#include <algorithm>

namespace sw {

namespace {
constexpr uint32_t kSwReset = 1u << 0, kLowPowerRun = 1u << 8, kLowPowerInterrupt = 1u << 10;
constexpr uint32_t kHold = 1u << 1;
constexpr uint32_t kWindowEnable = 1u << 0, kIncrement = 1u << 2, kDecrement = 1u << 3, kCodeAction = 1u << 6;
constexpr uint32_t kRevisionAddress = 0x2FFC, kRevisionB = 0xAE790580; // DSPLib revision check
constexpr uint32_t kCodeRam = 0x3C00, kCodeRamEnd = 0x4000;
constexpr int kDmaTrigger = 27; // TI header: DMAxTSEL__LEA; ASSUMPTION lea-dma: on PMCMDIFG
constexpr int kCovl = 0, kOor = 2, kCommandDone = 4;
} // namespace

void Lea::release(Machine &m) {
    if (!busy) return;
    busy = false;
    m.events.set(Ev::Lea, kNever);
    for (uint32_t i = 0; i < 16; ++i) { // a watch set meanwhile stays
        uint32_t p = (kFirst >> kPageShift) + i;
        if (m.write_region[p] == kLeaBusy) m.write_region[p] = page_write[i];
        m.read_region[p] = kLeaRam;
    }
}

void Lea::reset(Machine &m) {
    if (busy) account(m);
    release(m);
    auto keep = config;
    *this = Lea{};
    config = keep;
}

void Lea::set_flag(Machine &m, int bit) {
    ifg = static_cast<uint8_t>(ifg | (1u << bit));
    m.attention();
}

void Lea::trigger(Machine &m) {
    uint16_t code = pmcb & 0x3FC;
    if (mctl & kWindowEnable)
        raise(FaultKind::Lea, 0xAD0,
              "command %s while LEACMCTL.LEACMAE is set, which LEA rejects; write LEACMCTL = 0",
              lea_command_name(code));
    if (!(pmctl & 1))
        raise(FaultKind::Lea, 0xAD0,
              "command %s while LEAPMCTL.LEACMDEN is 0, nothing would run; set it first",
              lea_command_name(code));
    if (code <= 0x008)
        raise(FaultKind::Unmodelled, 0xAD0, "LEA command %s: the context it saves is not documented",
              lea_command_name(code));
    if (busy) { // the running command goes on
        set_flag(m, kCovl);
        return;
    }
    const LeaCommand *c = lea_command(code);
    if (!c)
        raise(FaultKind::Unmodelled, 0xAD0, "LEA command %s (0x%03X) is not modelled", lea_command_name(code),
              code);
    if (config->refused[code >> 2])
        raise(
            FaultKind::Unmodelled, 0xAD0,
            "LEA command %s is refused by the options of the LEA model (refuse): a board computes something "
            "else than the model",
            c->name);
    if (pmcb & 1)
        raise(FaultKind::Unmodelled, 0xAD0,
              "LEAITFLG0 (explicit result update) in LEAPMCB = 0x%04X is not modelled", pmcb & 0xFFFF);
    uint32_t stack = cnf2 << 2;
    if (stack <= kFirst || stack > kEnd)
        raise(
            FaultKind::Lea, 0xA8C,
            "command %s with LEACNF2 (stack) = 0x%04X, byte address 0x%05X outside LEA RAM; write LEAMT >> 2",
            c->name, cnf2, stack);
    cmdstat = pmcb & 0x3FF;
    ran_out = false;
    try {
        job = c->decode(m, *c, pms0, pms1);
    } catch (Fault &f) {
        if (f.kind != FaultKind::LeaRange) throw;
        f.kind = FaultKind::Lea;
        if (!config->oor_flag) throw;
        job = LeaJob{};
        job.code = code;
        job.in1.count = job.in2.count = job.out.count = job.block.count = 0;
        ran_out = true;
    }
    busy = true;
    started_at = counted_to = m.n.cycles;
    done_at =
        started_at + (ran_out ? static_cast<uint32_t>(config->cost[code >> 2][0]) : lea_cycles(job, *config));
    m.events.set(Ev::Lea, done_at);
    ++m.n.lea_commands;
    for (uint32_t i = 0; i < 16; ++i) {
        uint32_t p = (kFirst >> kPageShift) + i;
        page_write[i] = m.write_region[p];
        m.read_region[p] = m.write_region[p] = kLeaBusy;
    }
    m.code_in_lea_ram(kFirst, kEnd);
    m.attention();
}

void Lea::complete(Machine &m) {
    release(m);
    if (ran_out || job.spurious_oor) set_flag(m, kOor);
    if (!ran_out) lea_command(job.code)->execute(m, job, *config);
    if (!(cmdstat & 2)) return;
    set_flag(m, kCommandDone); // LEAITFLG1
    m.dma.trigger(m, kDmaTrigger);
}

void Lea::account(Machine &m) {
    uint64_t now = std::min(m.n.cycles, done_at);
    m.n.lea_cycles[static_cast<int>(lea_command(job.code)->energy)] += now - counted_to;
    counted_to = now;
}

void Lea::catch_up(Machine &m) {
    if (!busy) return;
    account(m);
    if (m.n.cycles >= done_at) complete(m);
}

void Lea::check_sleep(uint32_t sr) const {
    if (!busy) return;
    if (sr & (kScg0 | kScg1 | kOscOff))
        raise(FaultKind::Lea, 0xA80,
              "sleep in LPM1 or deeper while LEA runs %s: it needs MCLK and stalls; use LPM0",
              lea_command_name(job.code));
    if (!(cnf0 & kLowPowerRun))
        raise(FaultKind::Lea, 0xA84, "sleep while LEA runs %s with LEACNF0.LEALPR = 0: it pauses; set LEALPR",
              lea_command_name(job.code));
}

const char *Lea::owner(uint32_t address) const {
    if (!busy || address < kFirst || address >= kEnd) return nullptr;
    uint32_t word = address >> 2;
    if (address >= kEnd - config->stack_bytes && address < (cnf2 << 2)) return "the stack";
    if (job.block.holds(word)) return "the parameter block";
    if (job.out.holds(word)) return "the output";
    if (job.in2.holds(word)) return "input 2";
    return job.in1.holds(word) ? "input 1" : nullptr;
}

void Lea::touch(Machine &m, uint32_t address, const char *verb) {
    catch_up(m);
    if (!busy) return;
    if (const char *what = owner(address))
        raise(FaultKind::Lea, address,
              "%s of 0x%05X, which belongs to %s of the running LEA command %s; wait for its end", verb,
              address, what, lea_command_name(job.code));
    m.lea_stall(config->stall_cycles);
}

uint32_t Lea::load(uint32_t offset) const {
    switch (offset) {
    case 0x00: return 1; // LEACAP: 1 KB of code RAM
    case 0x04: return cnf0;
    case 0x08: return busy ? 0x41u : (pmctl & 1) ? 0x10u : 0u; // LEABUSY, LEAMODE off, ready or running
    case 0x0C: return cnf2;
    case 0x10: return kFirst;
    case 0x14: return kEnd;
    case 0x18: {
        if (!(mctl & kWindowEnable)) return 0;
        uint32_t at = mctl >> 16;
        if (at == kRevisionAddress) return kRevisionB;
        if (at < kCodeRam || at >= kCodeRamEnd)
            raise(FaultKind::Unmodelled, 0xA98,
                  "LEA code ROM at 0x%04X is not modelled (only its checksum at 0x2FFC)", at);
        return code_ram.empty() ? 0 : code_ram[(at - kCodeRam) >> 2];
    }
    case 0x1C: return mctl;
    case 0x28: return cmdstat;
    case 0x2C: return pms1;
    case 0x30: return pms0;
    case 0x34: return pmdst;
    case 0x40: return pmctl;
    case 0x44: return pmdst;
    case 0x48: return pms1;
    case 0x4C: return pms0;
    case 0x50: return pmcb;
    case 0x70: return 0;
    case 0x74: return ie;
    case 0x78: return ifg;
    default:
        raise(FaultKind::Unmodelled, 0xA80 + offset, "LEA has no modelled register at 0x%05X",
              0xA80 + offset);
    }
}

void Lea::window_step() {
    uint32_t at = mctl >> 16;
    if (mctl & kIncrement) at += 4;
    if (mctl & kDecrement) at -= 4;
    mctl = (mctl & 0xFFFF) | at << 16;
}

uint16_t Lea::read(Machine &m, uint32_t address) {
    if (!config) raise(FaultKind::Unmodelled, address, "this device has no LEA");
    catch_up(m);
    uint32_t offset = address - 0xA80;
    if ((cnf0 & kSwReset) && offset > 0x06)
        raise(FaultKind::Lea, address,
              "LEA register 0x%05X read while LEACNF0.LEASWRST is set; clear it first", address);
    if (offset == 0x7C) { // LEAIV: highest flag that is enabled; reading clears it
        for (int bit = 0; bit < 5; ++bit) {
            if (!(ie & ifg & (1u << bit))) continue;
            ifg = static_cast<uint8_t>(ifg & ~(1u << bit));
            return static_cast<uint16_t>(2 * (bit + 1));
        }
        return 0;
    }
    if (offset == 0x7E) return 0;
    uint32_t v = load(offset & ~2u);
    if (offset == 0x1A) window_step();
    return static_cast<uint16_t>(offset & 2 ? v >> 16 : v);
}

void Lea::store(Machine &m, uint32_t offset, uint16_t value, uint16_t lanes) {
    auto into = [&](uint32_t &reg) {
        uint32_t shift = offset & 2 ? 16 : 0;
        reg = (reg & ~(static_cast<uint32_t>(lanes) << shift)) | static_cast<uint32_t>(value & lanes)
                                                                     << shift;
    };
    switch (offset & ~2u) {
    case 0x04: {
        uint32_t before = cnf0, next = cnf0;
        into(next);
        if (next & ~(kSwReset | kHold | kLowPowerRun | kLowPowerInterrupt))
            raise(FaultKind::Unmodelled, 0xA84,
                  "LEACNF0 = 0x%08X: LEA timer, fault enables and status bits are not modelled", next);
        if (next & ~before & kSwReset) reset(m);
        cnf0 = next;
        return;
    }
    case 0x08:
        if ((value & lanes) == 0) return; // status only
        break;
    case 0x0C:
        if (offset == 0x0E) return;
        if (busy)
            raise(FaultKind::Lea, 0xA8C, "LEACNF2 (stack) written while LEA runs %s",
                  lea_command_name(job.code));
        into(cnf2);
        return;
    case 0x18:
        if ((mctl & kWindowEnable) && (mctl >> 16) >= kCodeRam && (mctl >> 16) < kCodeRamEnd) {
            code_ram.resize((kCodeRamEnd - kCodeRam) / 4);
            into(code_ram[((mctl >> 16) - kCodeRam) >> 2]);
            if (offset == 0x1A) window_step();
            return;
        }
        break;
    case 0x1C:
        if (busy)
            raise(FaultKind::Lea, 0xA9C, "LEACMCTL written while LEA runs %s", lea_command_name(job.code));
        into(mctl);
        mctl &= ~kCodeAction; // done at once
        return;
    case 0x40:
        into(pmctl);
        if (pmctl & 0x80)
            raise(FaultKind::Unmodelled, 0xAC0, "LEAPMCTL.LEATRG is not modelled; write LEAPMCB");
        return;
    case 0x44: into(pmdst); return;
    case 0x48: into(pms1); return;
    case 0x4C: into(pms0); return;
    case 0x50:
        into(pmcb);
        if (offset == 0x50) trigger(m);
        return;
    case 0x70:
        if (offset == 0x70 && (value & lanes & 0x1F)) {
            ifg = static_cast<uint8_t>(ifg | (value & lanes & 0x1F));
            m.attention();
        }
        return;
    case 0x74:
        if (offset == 0x74) ie = static_cast<uint8_t>(((ie & ~lanes) | (value & lanes)) & 0x1F);
        m.attention();
        return;
    case 0x78:
        if (offset == 0x78) ifg = static_cast<uint8_t>(ifg & ~(value & lanes)); // write 1 to clear
        return;
    case 0x7C:
        ifg = 0; // any write to LEAIV clears all flags
        return;
    default: break;
    }
    raise(FaultKind::Unmodelled, 0xA80 + offset,
          "LEA register 0x%05X written as 0x%04X is read-only or not modelled", 0xA80 + offset, value);
}

void Lea::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    if (!config) raise(FaultKind::Unmodelled, address, "this device has no LEA");
    catch_up(m);
    uint32_t offset = address - 0xA80;
    if ((cnf0 & kSwReset) && offset > 0x06)
        raise(FaultKind::Lea, address,
              "LEA register 0x%05X written while LEACNF0.LEASWRST is set; clear it first", address);
    store(m, offset, value, lanes);
}

} // namespace sw
