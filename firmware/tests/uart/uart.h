// SPDX-License-Identifier: Apache-2.0
// Lines over UART (eUSCI_A0, P2.0, 115200 baud 8N1): a line is begun, gets fields, and is ended with its CRC.
#ifndef UART_H
#define UART_H

#include <stdint.h>

#define REG16(address) (*(volatile uint16_t *)(uintptr_t)(address))
#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

extern const char line_tag[]; // of the program: what every line starts with

void uart_setup(void);
void line_begin(const char *kind);
void line_hex(uint16_t value);
void line_words(uint16_t address, uint16_t words); // 32-bit words as hex, equal ones as WORD*COUNT
void line_text(const char *text);
void line_end(void);

#endif
