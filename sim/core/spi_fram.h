// SPDX-License-Identifier: Apache-2.0
// External SPI FRAM of the CY15B104/CY15B108 kind on any eUSCI and any chip-select pin.
//
// Modelled: WREN, WRDI, RDSR, WRSR, READ, FSTRD, WRITE, SLEEP, RDID, DPD; 3 address bytes with wrap at the
// end
//   of memory; block protection; every byte is stored when its last bit is clocked; WEL clears when chip
//   select rises after WRITE, WRSR or WRDI; loss of power drops WEL, the command and the sleep state;
//   contents and status register are non-volatile. Pages are shared between forks until written.
// Not modelled: serial number, special sector, WP and HOLD pins, a chip select that changes inside a byte.
// ASSUMPTION spi-fram-part: leaving SLEEP takes 450 us and DPD 13 us; device ids are recalled from data
// sheets. ASSUMPTION spi-fram-pins: chip select is pulled up, so it is high while its pin is an input or
// LOCKLPM5 is set.
#pragma once

#include "types.h"
#include <array>
#include <memory>
#include <vector>

namespace sw {

struct Machine;

struct SpiFram {
    static constexpr uint32_t kPage = 4096;
    using Page = std::array<uint8_t, kPage>;
    uint8_t bus = 0, port = 1, pin = 0; // eUSCI 0-7; chip select: GPIO port 1-9 (9: J), pin 0-7
    uint32_t size = 0;
    std::array<uint8_t, 9> device_id = {};
    std::vector<std::shared_ptr<Page>> pages; // null: never written, 0xFF... reads as 0
    uint8_t status = 0;                       // WPEN 7, BP 3:2; non-volatile

    // --- volatile
    bool selected = false, writable = false; // WEL
    uint8_t asleep = 0;                      // opcode that put it to sleep
    uint64_t ready_at = 0;
    uint8_t opcode = 0;
    uint32_t count = 0, address = 0; // bytes of this command; next data address

    SpiFram() = default; // for snapshots
    SpiFram(int bus, int port, int pin, uint32_t size);
    void power_loss();
    void select(Machine &m, bool on);
    uint8_t exchange(Machine &m, uint8_t in);
    uint8_t get(uint32_t a) const;
    void put(uint32_t a, uint8_t value);

  private:
    uint8_t command(Machine &m, uint8_t in);
    uint8_t data(Machine &m, uint8_t in);
    bool is_protected(uint32_t a) const;
};

} // namespace sw
