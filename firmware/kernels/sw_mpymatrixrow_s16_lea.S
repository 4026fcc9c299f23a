// SPDX-License-Identifier: Apache-2.0
// void sw_mpymatrixrow_s16_lea(uint16_t row, uint16_t block)
#include "sw_msp430x.inc"

    LEA_KERNEL sw_mpymatrixrow_s16_lea, LEA_MPYMATRIXROW
