// SPDX-License-Identifier: Apache-2.0
// void sw_dot_dense_near_s8_cpu(sw_dot_t *dot)
#include "sw_dot_dense.inc"

    DOT_DENSE sw_dot_dense_near_s8_cpu, WEIGHT_S8_NEAR, 8
