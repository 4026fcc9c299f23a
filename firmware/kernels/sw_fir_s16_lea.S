// SPDX-License-Identifier: Apache-2.0
// void sw_fir_s16_lea(uint16_t x, uint16_t block)
#include "sw_msp430x.inc"

    LEA_KERNEL sw_fir_s16_lea, LEA_FIR
