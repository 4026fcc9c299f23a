// SPDX-License-Identifier: Apache-2.0
// void sw_taps_bitmap_s16_cpu(sw_unpack_t *unpack)
#include "sw_unpack.inc"

    FUNCTION sw_taps_bitmap_s16_cpu
    UNPACK_LOAD
    tst r5
    jz .Ldone
.Lposition:
    tst r14
    jnz .Lbit
    MOVXP_B r7, r13
    mov #8, r14
.Lbit:
    incd r8
    dec r10
    UNPACK_NEXT_ROWS
    dec r14
    rra r13
    jnc .Lposition
    UNPACK_WRITE TAP_S16
    dec r5
    jnz .Lposition
.Ldone:
    UNPACK_STORE
