// SPDX-License-Identifier: Apache-2.0
// void sw_taps_dense_s16_cpu(sw_unpack_t *unpack)
#include "sw_unpack.inc"

    TAPS_DENSE sw_taps_dense_s16_cpu, TAP_S16
