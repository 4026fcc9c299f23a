// SPDX-License-Identifier: Apache-2.0
// Memory protection unit MPU, base 0x5A0 (TI header msp430fr5994.h; SLAU367P chapter 9).
//
// Modelled: three segments of main FRAM with borders of 1 KB, the segment of information memory, their read,
//   write and execute rights for CPU and DMA, MPULOCK, password, flags; the IP encapsulation segment (data
//   only for code executed inside it behind its first 8 bytes, never for the DMA). A violation sets its flag
//   and stops with an error; with violations="reset" the write is dropped, the read gives 3FFFh, and an NMI
//   (MPUSEGIE) or a PUC (MPUSEGxVS, MPUIPVS) follows, as in silicon.
// Not modelled: violations by prefetch behind a jump, IP encapsulation set up by the boot code from its
//   signature, a code fetch from the vector table inside the IP segment.
// ASSUMPTION mpu-reset: only a BOR resets the registers of the MPU.
// ASSUMPTION mpu-flags: reading SYSSNIV leaves the flags in MPUCTL1; software clears them.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct MpuDenied {}; // thrown by a denied instruction fetch that must not stop the simulation

struct Mpu {
    uint16_t ctl0 = 0, ctl1 = 0, segb2 = 0, segb1 = 0, sam = 0x7777; // MPUCTL0 without its password
    uint16_t ipc0 = 0, ipsegb2 = 0, ipsegb1 = 0;
    bool unlocked = false;
    bool on = false; // MPUENA or MPUIPENA

    void reset(Machine &m);
    bool reads(const Machine &m, uint32_t a) const;
    bool writes(const Machine &m, uint32_t a) const;
    bool executes(uint32_t a) const;
    void deny(Machine &m, uint32_t a, const char *what); // flag, then an error, an NMI or a PUC
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    int segment(uint32_t a) const; // 0-2: main memory, 3: information memory
    bool right(uint32_t a, int bits) const;
    bool encapsulated(uint32_t a) const;
    bool sealed(const Machine &m, uint32_t a) const;
    void apply(Machine &m);
};

} // namespace sw
