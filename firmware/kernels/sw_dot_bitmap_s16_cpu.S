// SPDX-License-Identifier: Apache-2.0
// void sw_dot_bitmap_s16_cpu(sw_dot_t *dot)
// 3 cycles a position and 10 more where it has a weight, 8 per 8 positions; FRAM's wait states.
// r15 counts bytes of the bitmap. r11 and r13 hold 20-bit addresses.
#include "sw_dot.inc"

    RAM_FUNCTION sw_dot_bitmap_s16_cpu
    DOT_BEGIN 6
.Lrun:
    DOT_RUN .Ldone
    mov DOT_UNIT(r12), r15
.Lbyte:
    MOVXP_B r11, r10
    .irp offset, 0, 2, 4, 6, 8, 10, 12, 14
    rra r10
    jnc .Labsent\offset
    WEIGHT_S16
    mov \offset(r14), &OP2
.Labsent\offset:
    .endr
    add #16, r14
    dec r15
    jnz .Lbyte
    jmp .Lrun
.Ldone:
    DOT_END 6
