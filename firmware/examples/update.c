// SPDX-License-Identifier: Apache-2.0
// New weights over UART (eUSCI_A0, 115200 baud), and an inference now and then.
//
//     swtrain build build/demo --main firmware/examples/update.c --main firmware/tests/uart/uart.c
//
// A frame is a letter, the number of bytes that follow (1 byte), those bytes and their CRC-32 with letter and
// number. The answer is `K`, a status (enum sw_err, 1 byte) and a 16-bit word. Nobody answers a frame that is
// damaged or cut off: send it again.
//
//     H header             begins a package; the word says how many blocks are here already
//     B number, block      the block with this 16-bit number
//     C                    checks and installs
//     R                    goes back to what was there before
//     I                    runs an inference on sw_input; the word is the class
#include "../tests/uart/uart.h"
#include "model.h"
#include "sw_crc.h"
#include "sw_update.h"

#define UCA0RXBUF REG16(0x05CC)
#define UCA0TXBUF REG16(0x05CE)
#define UCA0IFG REG16(0x05DC)
#define UCRXIFG 0x0001
#define UCTXIFG 0x0002

enum { MOST = 2 + SW_UPDATE_BLOCK_BYTES, PATIENCE = 4000 }; // PATIENCE: about four bytes at 115200 baud

const char line_tag[] = "#UPD";

// Letter and number, then the bytes: those of a block behind its number, which is even.
static struct {
    uint8_t letter, count;
    uint8_t bytes[MOST + 4];
} frame;

static int byte_in(uint8_t *to, uint16_t patience) {
    for (uint16_t tries = 0; !(UCA0IFG & UCRXIFG); tries += patience ? 1 : 0)
        if (patience && tries == patience) return 0;
    *to = (uint8_t)UCA0RXBUF;
    return 1;
}

static int frame_in(void) {
    byte_in(&frame.letter, 0);
    if (!byte_in(&frame.count, PATIENCE) || frame.count > MOST) return 0;
    for (uint16_t i = 0; i < frame.count + 4u; i++)
        if (!byte_in(&frame.bytes[i], PATIENCE)) return 0;
    uint32_t crc = sw_crc32(0, &frame.letter, 2u + frame.count);
    for (uint16_t i = 0; i < 4; i++)
        if (frame.bytes[frame.count + i] != (uint8_t)(crc >> 8 * i)) return 0;
    return 1;
}

static void byte_out(uint8_t byte) {
    while (!(UCA0IFG & UCTXIFG)) {
    }
    UCA0TXBUF = byte;
}

static int block_in(void) {
    if ((uint16_t)(frame.bytes[0] | frame.bytes[1] << 8) != sw_update_received) return SW_ERR_ORDER;
    return sw_update_write((const int16_t *)(const void *)(frame.bytes + 2));
}

int main(void) {
    uart_setup();
    for (;;) {
        if (!frame_in()) continue;
        int status = SW_ERR_PACKAGE;
        uint16_t word = 0;
        switch (frame.letter) {
        case 'H':
            status = frame.count == SW_UPDATE_HEADER_BYTES ? sw_update_begin(frame.bytes) : status;
            break;
        case 'B': status = block_in(); break;
        case 'C': status = sw_update_commit(); break;
        case 'R': status = sw_update_rollback(); break;
        case 'I': status = sw_infer(); break;
        default: continue;
        }
        word = frame.letter == 'I' ? (uint16_t)sw_class : sw_update_received;
        byte_out('K');
        byte_out((uint8_t)status);
        byte_out((uint8_t)word);
        byte_out((uint8_t)(word >> 8));
    }
}
