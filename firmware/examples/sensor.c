// SPDX-License-Identifier: Apache-2.0
// Sensor, inference, LED and UART on an MSP-EXP430FR5994: samples input A3 (P1.3) into sw_input, classifies,
// lights LED1 (P1.0) for class 0 and sends a line `#RES result NUMBER CLASS *CRC` at 115200 baud.
//
//     swtrain build build/demo --main firmware/examples/sensor.c --main firmware/tests/uart/uart.c
//
// It samples when the supply has START_MV, and sleeps until then: a sample and the radio that a product has
// instead of the UART want their energy at once, while an inference goes on from wherever power failed.
// A line may be sent twice, when power fails between sending and releasing; it has the same number then.
// Registers: msp430fr5994.h v1206.
#include "../tests/uart/uart.h"
#include "model.h"
#include "sw_supply.h"

#define P1OUT (*(volatile uint8_t *)0x0202)
#define P1DIR (*(volatile uint8_t *)0x0204)
#define P1SEL0 (*(volatile uint8_t *)0x020A)
#define P1SEL1 (*(volatile uint8_t *)0x020C)
#define ADC12CTL0 REG16(0x0800)
#define ADC12CTL1 REG16(0x0802)
#define ADC12CTL2 REG16(0x0804)
#define ADC12IFGR0 REG16(0x080C)
#define ADC12MCTL0 REG16(0x0820)
#define ADC12MEM0 REG16(0x0860)

#define LED1 0x01
#define A3 0x08
#define ADC12ON_SHT0_32 0x0310 // on, 32 clocks of sampling
#define ADC12ENC_SC 0x0003
#define ADC12SHP 0x0200 // the sampling timer decides
#define ADC12RES_12 0x0020
#define ADC12INCH_3 0x0003 // against AVCC

enum { START_MV = 2200, LOOK_TICKS = 943 }; // 0.1 s

const char line_tag[] = "#RES";

static void sample(int16_t *to, uint16_t count) {
    P1SEL0 |= A3;
    P1SEL1 |= A3;
    ADC12CTL0 = ADC12ON_SHT0_32;
    ADC12CTL1 = ADC12SHP;
    ADC12CTL2 = ADC12RES_12;
    ADC12MCTL0 = ADC12INCH_3;
    for (uint16_t i = 0; i < count; i++) {
        ADC12CTL0 |= ADC12ENC_SC;
        while (!(ADC12IFGR0 & 1)) {
        }
        to[i] = (int16_t)((uint32_t)ADC12MEM0 * (SW_MODEL_INPUT_MAX + 1ul) >> 12);
    }
    ADC12CTL0 &= (uint16_t)~ADC12ENC_SC;
    ADC12CTL0 = 0;
}

static void tell(uint16_t number, int16_t class) {
    if (class == 0)
        P1OUT |= LED1;
    else
        P1OUT &= (uint8_t)~LED1;
    line_begin("result");
    line_hex(number);
    line_hex((uint16_t)class);
    line_end();
}

int main(void) {
    P1DIR |= LED1;
    uart_setup();
    for (;;) {
        switch (sw_state()) {
        case SW_IDLE:
            sw_wait_supply(START_MV, LOOK_TICKS, 0);
            sample(sw_input, SW_MODEL_INPUT_WORDS);
            sw_submit();
            break;
        case SW_RUNNING: sw_infer(); break;
        case SW_RESULT:
            tell(sw_result, sw_class);
            sw_release();
            break;
        }
    }
}
