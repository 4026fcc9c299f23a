// SPDX-License-Identifier: Apache-2.0
// void sw_dot_csr_s8_cpu(sw_dot_t *dot)
#include "sw_dot_csr.inc"

    DOT_CSR sw_dot_csr_s8_cpu, WEIGHT_S8, INDEX
