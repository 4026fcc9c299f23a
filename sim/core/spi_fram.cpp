// SPDX-License-Identifier: Apache-2.0
// Commands of the external SPI FRAM (data sheets CY15B104Q, CY15B104QN, CY15B108QN).
//
// Modelled / Not modelled: see spi_fram.h.
#include "spi_fram.h"
#include "machine.h"

namespace sw {

namespace {
enum Opcode : uint8_t {
    kWrsr = 0x01,
    kWrite = 0x02,
    kRead = 0x03,
    kWrdi = 0x04,
    kRdsr = 0x05,
    kWren = 0x06,
    kFastRead = 0x0B,
    kRdid = 0x9F,
    kSleep = 0xB9,
    kDpd = 0xBA
};
constexpr uint64_t kSleepUs = 450, kDpdUs = 13;
constexpr uint8_t kStatusBits = 0x8C; // WPEN, BP1, BP0
} // namespace

SpiFram::SpiFram(int on_bus, int cs_port, int cs_pin, uint32_t bytes)
    : bus(static_cast<uint8_t>(on_bus)), port(static_cast<uint8_t>(cs_port)),
      pin(static_cast<uint8_t>(cs_pin)), size(bytes), pages((bytes + kPage - 1) / kPage) {
    device_id = {
        0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0xC2, static_cast<uint8_t>(bytes > 0x80000 ? 0x2E : 0x26), 0x08};
}

void SpiFram::power_loss() {
    selected = writable = false;
    asleep = opcode = 0;
    count = address = 0;
    ready_at = 0;
}

uint8_t SpiFram::get(uint32_t a) const {
    const auto &page = pages[a / kPage];
    return page ? (*page)[a % kPage] : 0;
}

void SpiFram::put(uint32_t a, uint8_t value) {
    auto &page = pages[a / kPage];
    if (!page)
        page = std::make_shared<Page>(Page{});
    else if (page.use_count() > 1)
        page = std::make_shared<Page>(*page); // a fork still reads the old one
    (*page)[a % kPage] = value;
}

bool SpiFram::is_protected(uint32_t a) const { // BP: none, upper quarter, upper half, all
    int level = status >> 2 & 3;
    uint32_t first = level == 0 ? size : level == 1 ? size / 4 * 3 : level == 2 ? size / 2 : 0;
    return a >= first;
}

void SpiFram::select(Machine &m, bool on) {
    if (on == selected) return;
    selected = on;
    if (on) {
        count = 0;
        if (asleep) { // the falling edge wakes it
            uint64_t us = asleep == kSleep ? kSleepUs : kDpdUs;
            ready_at = m.n.cycles + us * m.cs.mclk_hz / 1000000 + 1;
            asleep = 0;
        }
        return;
    }
    if (count == 0) return;
    if (opcode == kWrite || opcode == kWrsr || opcode == kWrdi) writable = false;
    if (opcode == kSleep || opcode == kDpd) asleep = opcode;
}

uint8_t SpiFram::command(Machine &m, uint8_t in) {
    if (m.n.cycles < ready_at)
        raise(FaultKind::NotReady, in, "external FRAM on %s: command %02Xh %u cycles before it is awake",
              eusci_name(bus), in, static_cast<unsigned>(ready_at - m.n.cycles));
    opcode = in;
    address = 0;
    switch (in) {
    case kWren: writable = true; break;
    case kWrdi:
    case kWrsr:
    case kRdsr:
    case kRead:
    case kFastRead:
    case kWrite:
    case kRdid:
    case kSleep:
    case kDpd: break;
    default:
        raise(FaultKind::Unmodelled, in, "external FRAM on %s: opcode %02Xh is not modelled", eusci_name(bus),
              in);
    }
    return 0xFF;
}

uint8_t SpiFram::data(Machine &m, uint8_t in) {
    uint32_t header = opcode == kFastRead ? 5 : 4; // opcode, 3 address bytes, a dummy byte
    uint32_t index = count - 1;
    switch (opcode) {
    case kRdsr: return static_cast<uint8_t>((status & kStatusBits) | (writable ? 2 : 0) | 0x40);
    case kWrsr:
        if (writable && count == 1) {
            status = in & kStatusBits;
            m.external_written();
        }
        return 0xFF;
    case kRdid: return device_id[index % device_id.size()];
    case kRead:
    case kFastRead:
    case kWrite: break;
    default: return 0xFF;
    }
    if (count < 4) {
        address = (address << 8 | in) & 0xFFFFFF;
        return 0xFF;
    }
    if (count < header) return 0xFF;
    uint32_t a = address & (size - 1);
    address = (a + 1) & (size - 1);
    if (opcode != kWrite) return get(a);
    if (writable && !is_protected(a)) {
        put(a, in);
        m.external_written();
    }
    return 0xFF;
}

uint8_t SpiFram::exchange(Machine &m, uint8_t in) {
    uint8_t out = count == 0 ? command(m, in) : data(m, in);
    ++count;
    return out;
}

} // namespace sw
