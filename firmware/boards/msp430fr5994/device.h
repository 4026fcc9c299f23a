// SPDX-License-Identifier: Apache-2.0
// What start-up and drivers need to know of an MSP430FR5994 and its LaunchPad; C and assembly read it.
#ifndef DEVICE_H
#define DEVICE_H

// Numbers of interrupt vectors: the address is 0xFF90 + 2 * number (msp430fr5994.h v1206).
#define VECTOR_LEA 18
#define VECTOR_PORT1 39
#define VECTOR_TIMER1_A0 41
#define VECTOR_DMA 42
#define VECTOR_TIMER0_A1 44
#define VECTOR_ADC12 46

// The debugger's serial port: eUSCI_A0 on P2.0 (TXD) and P2.1 (RXD), SEL1 = 1 and SEL0 = 0 (SLASE54,
// SLAU678).
#define UART_BASE 0x05C0
#define UART_SEL0 0x020B
#define UART_SEL1 0x020D
#define UART_PINS 0x03
#define UART_PINS_SEL0 0x00
#define UART_PINS_SEL1 0x03

#endif
