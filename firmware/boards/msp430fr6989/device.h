// SPDX-License-Identifier: Apache-2.0
// What start-up and drivers need to know of an MSP430FR6989 and its LaunchPad; C and assembly read it. No
// LEA.
#ifndef DEVICE_H
#define DEVICE_H

// Numbers of interrupt vectors: the address is 0xFF90 + 2 * number (msp430fr6989.h, version 1207).
#define VECTOR_PORT1 37
#define VECTOR_TIMER1_A0 39
#define VECTOR_DMA 40
#define VECTOR_TIMER0_A1 43
#define VECTOR_ADC12 45

// The debugger's serial port: eUSCI_A1 on P3.4 (TXD) and P3.5 (RXD), SEL1 = 0 and SEL0 = 1 (SLAS789;
// recalled).
#define UART_BASE 0x05E0
#define UART_SEL0 0x022A
#define UART_SEL1 0x022C
#define UART_PINS 0x30
#define UART_PINS_SEL0 0x30
#define UART_PINS_SEL1 0x00

#endif
