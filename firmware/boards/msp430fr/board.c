// SPDX-License-Identifier: Apache-2.0
// Clocks, pins and DMA of an MSP430FR59xx or FR69xx at 16 MHz. Register names and addresses: msp430fr5994.h
// v1206; the same on the others (msp430fr6989.h v1207, SLAS704).
#include "device.h"
#include "sw_platform.h"

#define REG16(address) (*(volatile uint16_t *)(address))
#define REG8(address) (*(volatile uint8_t *)(address))

#define PM5CTL0 REG16(0x0130)
#define FRCTL0 REG16(0x0140)
#define CSCTL0 REG16(0x0160)
#define CSCTL0_H REG8(0x0161)
#define CSCTL1 REG16(0x0162)
#define CSCTL2 REG16(0x0164)
#define CSCTL3 REG16(0x0166)
#define DMACTL0 REG16(0x0500)
#define DMA0CTL REG16(0x0510)
#define DMA0SA REG16(0x0512)
#define DMA0DA REG16(0x0516)
#define DMA0SZ REG16(0x051A)

#define LEACNF0 REG16(0x0A80 + 4)
#define LEACNF2 REG16(0x0A8C)
#define LEAPMCTL REG16(0x0AC0)
#define LEAIE REG16(0x0AF4)

#define LOCKLPM5 0x0001
#define FRCTLPW_NWAITS_1 0xA510 // password A5h, one wait state: needed above 8 MHz
#define CSKEY 0xA500
#define DCOFSEL_4_DCORSEL 0x0048 // 16 MHz
#define SELA_LFMOD_SELS_SELM_DCO 0x0233
#define DIV_4 0x0222
#define DIV_1 0x0000
#define LEALPR_LEAILPM 0x0500   // commands go on in LPM0, completion wakes the CPU
#define LEA_STACK (0x3C00 >> 2) // top of LEA RAM
#define LEACMDEN 0x0001
#define LEAPMCMDIE 0x0010
// single-block transfer, word, both addresses count up, started by DMAREQ
#define DMA_BLOCK 0x1F11

void sw_board_init(void) {
    PM5CTL0 &= (uint16_t)~LOCKLPM5;
    FRCTL0 = FRCTLPW_NWAITS_1; // before the clock rises
    CSCTL0 = CSKEY;
    CSCTL1 = 0; // DCOFSEL_0: 1 MHz
    CSCTL2 = SELA_LFMOD_SELS_SELM_DCO;
    CSCTL3 = DIV_4; // erratum CS12: the DCO overshoots when it changes, so divide meanwhile
    CSCTL1 = DCOFSEL_4_DCORSEL;
    for (volatile uint16_t i = 0; i < 4; i++) {
        // about 60 cycles, 10 us at 4 MHz with margin
    }
    CSCTL3 = DIV_1;
    CSCTL0_H = 0; // lock
#ifdef VECTOR_LEA
    LEACNF0 = LEALPR_LEAILPM;
    LEACNF2 = LEA_STACK;
    LEAPMCTL = LEACMDEN;
    LEAIE = LEAPMCMDIE;
#endif
}

// The DMA moves a word in 2 cycles, the CPU in 5 or more; setting the DMA up costs about 25.
void sw_board_copy(int16_t *to, const int16_t *from, uint16_t words) {
    if (words == 0) return;
    DMACTL0 = 0;                        // channel 0: triggered by DMAREQ
    DMA0SA = (uint16_t)(uintptr_t)from; // a 16-bit write clears bits 19:16
    DMA0DA = (uint16_t)(uintptr_t)to;
    DMA0SZ = words;
    DMA0CTL = DMA_BLOCK; // the CPU stands still until the block is done
    __asm__ volatile("" ::: "memory");
}
