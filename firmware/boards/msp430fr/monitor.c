// SPDX-License-Identifier: Apache-2.0
// The application that `swtrain monitor` talks to over the debugger's serial port (device.h), 115200 baud
// 8N1.
//
// A frame, in both directions: a letter, the number of bytes that follow (16 bits), those bytes, the CRC-32
// of all of it. Everything is little-endian. Nobody answers a frame that is damaged or cut off: send it
// again.
//
//     Q            who is there; q: version of this protocol, levels, words of input and of output, clocks of
//     a
//                  tick, SW_MODEL_ID
//     L level      switches; l: status (enum sw_err), level, ticks (32 bits)
//     I input      runs an inference; i: status, level, ticks (32 bits), class, output
//
// Ticks are of timer A0, SMCLK / 8; they count sw_infer or sw_switch alone. An interrupt every 524,288 cycles
// counts its rounds.
#include "device.h"
#include "model.h"
#include "sw_crc.h"

#define REG16(address) (*(volatile uint16_t *)(address))
#define REG8(address) (*(volatile uint8_t *)(address))
#define UCACTLW0 REG16(UART_BASE)
#define UCABRW REG16(UART_BASE + 0x06)
#define UCAMCTLW REG16(UART_BASE + 0x08)
#define UCARXBUF REG16(UART_BASE + 0x0C)
#define UCATXBUF REG16(UART_BASE + 0x0E)
#define UCAIFG REG16(UART_BASE + 0x1C)
#define UCSWRST 0x0001
#define UCSSEL_SMCLK 0x0080
#define UCRXIFG 0x0001
#define UCTXIFG 0x0002
// 16 MHz / 115200 = 138.9 = 16 * 8 + 10: UCBR = 8, UCBRF = 10, UCBRS = F7h, UCOS16 (SLAU367, eUSCI_A baud
// rates)
#define BRS_BRF_OS16 0xF7A1

enum { VERSION = 1, TICK = 8 };
#define PATIENCE 100000ul // tries for a byte: about 0.1 s

// monitor_timer.S
void sw_monitor_start(void);
uint32_t sw_monitor_stop(void);

static uint32_t crc; // of the frame that is sent

static void set_up(void) {
    UCACTLW0 = UCSWRST;
    UCACTLW0 = UCSSEL_SMCLK | UCSWRST;
    UCABRW = 8;
    UCAMCTLW = BRS_BRF_OS16;
    REG8(UART_SEL0) = (uint8_t)((REG8(UART_SEL0) & ~UART_PINS) | UART_PINS_SEL0);
    REG8(UART_SEL1) = (uint8_t)((REG8(UART_SEL1) & ~UART_PINS) | UART_PINS_SEL1);
    UCACTLW0 = UCSSEL_SMCLK;
}

static int byte_in(uint8_t *to) {
    for (uint32_t tries = 0; !(UCAIFG & UCRXIFG); tries++)
        if (tries == PATIENCE) return 0;
    *to = (uint8_t)UCARXBUF;
    return 1;
}

static void byte_out(uint8_t byte) {
    while (!(UCAIFG & UCTXIFG)) {
    }
    UCATXBUF = byte;
}

static void out(const void *from, uint16_t count) {
    const uint8_t *bytes = from;
    crc = sw_crc32(crc, bytes, count);
    for (uint16_t i = 0; i < count; i++) byte_out(bytes[i]);
}

static void begin(char letter, uint16_t count) {
    uint8_t head[3] = {(uint8_t)letter, (uint8_t)count, (uint8_t)(count >> 8)};
    crc = 0;
    out(head, 3);
}

static void end(void) {
    for (uint16_t i = 0; i < 4; i++) byte_out((uint8_t)(crc >> 8 * i));
}

// A frame into `to`, which has room for `most` bytes; its letter, or 0.
static char frame_in(uint8_t *to, uint16_t most, uint16_t *count) {
    uint8_t head[3], sum[4];
    while (!byte_in(head)) {
    }
    if (!byte_in(head + 1) || !byte_in(head + 2)) return 0;
    *count = (uint16_t)(head[1] | head[2] << 8);
    if (*count > most) return 0;
    for (uint16_t i = 0; i < *count; i++)
        if (!byte_in(to + i)) return 0;
    for (uint16_t i = 0; i < 4; i++)
        if (!byte_in(sum + i)) return 0;
    uint32_t expected = sw_crc32(sw_crc32(0, head, 3), to, *count);
    for (uint16_t i = 0; i < 4; i++)
        if (sum[i] != (uint8_t)(expected >> 8 * i)) return 0;
    return (char)head[0];
}

static void who(void) {
    uint16_t facts[5] = {VERSION, sw_level_count, SW_MODEL_INPUT_WORDS, SW_MODEL_OUTPUT_WORDS, TICK};
    uint32_t model = SW_MODEL_ID;
    begin('q', sizeof facts + sizeof model);
    out(facts, sizeof facts);
    out(&model, sizeof model);
    end();
}

static void answer(char letter, int16_t status, uint32_t ticks, uint16_t more) {
    begin(letter, (uint16_t)(8 + more));
    out(&status, 2);
    out(&sw_level, 2);
    out(&ticks, 4);
}

int main(void) {
    set_up();
    sw_node = sw_layer_count;
    sw_cancel(); // what a reset interrupted; whoever asked asks again
    for (;;) {
        uint16_t count;
        sw_release();
        // an input may be damaged on the way: then it is only half of what the next frame replaces
        char letter = frame_in((uint8_t *)sw_input, (uint16_t)(2 * SW_MODEL_INPUT_WORDS), &count);
        if (letter == 'Q') {
            who();
        } else if (letter == 'L' && count == 2) {
            uint16_t level = (uint16_t)sw_input[0];
            sw_monitor_start();
            int status = sw_switch(level);
            uint32_t ticks = sw_monitor_stop();
            answer('l', (int16_t)status, ticks, 0);
            end();
        } else if (letter == 'I' && count == 2 * SW_MODEL_INPUT_WORDS) {
            sw_monitor_start();
            int status = sw_infer();
            uint32_t ticks = sw_monitor_stop();
            if (status != SW_OK) sw_cancel();
            answer('i', (int16_t)status, ticks, (uint16_t)(2 + 2 * SW_MODEL_OUTPUT_WORDS));
            out(&sw_class, 2);
            out(sw_output, (uint16_t)(2 * SW_MODEL_OUTPUT_WORDS));
            end();
        }
    }
}
