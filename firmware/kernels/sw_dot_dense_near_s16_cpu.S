// SPDX-License-Identifier: Apache-2.0
// void sw_dot_dense_near_s16_cpu(sw_dot_t *dot)
#include "sw_dot_dense.inc"

    DOT_DENSE sw_dot_dense_near_s16_cpu, WEIGHT_S16_NEAR, 8
