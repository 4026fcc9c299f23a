// SPDX-License-Identifier: Apache-2.0
// The supply voltage by ADC12_B: half of AVCC on channel 31 against the shared reference.
//
// 1.2 V reaches to a supply of 2.4 V and works at any; above, 2.0 V does (it needs a supply of 2.2 V:
// SLASE54, REF_A; recalled). About 60 us each, most of it for the reference to settle.
#include "sw_supply.h"

#define REG16(address) (*(volatile uint16_t *)(address))
#define REFCTL0 REG16(0x01B0)
#define ADC12CTL0 REG16(0x0800)
#define ADC12CTL1 REG16(0x0802)
#define ADC12CTL2 REG16(0x0804)
#define ADC12CTL3 REG16(0x0806)
#define ADC12IER0 REG16(0x0812)
#define ADC12MCTL0 REG16(0x0820)
#define ADC12MEM0 REG16(0x0860)

#define REFVSEL_1V2 0x0000
#define REFVSEL_2V0 0x0010
#define ADC12SHT0_32_ON 0x0310 // sample for 32 of 4.8 MHz = 6.7 us; AVCC / 2 needs 1.7 us (SLASE54, recalled)
#define ADC12ENC_SC 0x0003
#define ADC12SHP 0x0200 // MODCLK by reset
#define ADC12RES_12BIT 0x0020
#define ADC12BATMAP 0x0040
#define VREF_INCH_31 0x011F
#define FULL_SCALE 0x0FFF
#define LEAST_AT_2V0 2355 // 2.3 V

// supply.S: sleeps in LPM0 until the conversion is complete.
void sw_supply_wait(void);

static uint16_t convert(uint16_t reference) {
    REFCTL0 = reference; // the converter switches it on, waits until it has settled, and lets it go
    ADC12CTL0 = ADC12SHT0_32_ON;
    ADC12CTL1 = ADC12SHP;
    ADC12CTL2 = ADC12RES_12BIT;
    ADC12CTL3 = ADC12BATMAP;
    ADC12MCTL0 = VREF_INCH_31;
    ADC12IER0 = 1;
    ADC12CTL0 = ADC12SHT0_32_ON | ADC12ENC_SC;
    sw_supply_wait();
    uint16_t code = ADC12MEM0;
    ADC12CTL0 = 0;
    return code;
}

uint16_t sw_board_supply_mv(void) {
    static uint16_t high; // the last one was above what 1.2 V reaches
    uint16_t code = convert(high ? REFVSEL_2V0 : REFVSEL_1V2);
    if (high ? code >= LEAST_AT_2V0 : code < FULL_SCALE)
        return high ? (uint16_t)((uint32_t)code * 125 >> 7) // code / 4096 * 2 * 2000 mV
                    : (uint16_t)((uint32_t)code * 75 >> 7); // code / 4096 * 2 * 1200 mV
    high = !high;
    return sw_board_supply_mv();
}
