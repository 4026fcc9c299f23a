// SPDX-License-Identifier: Apache-2.0
// void sw_clip_bias_s16_cpu(const sw_clip_t *clip)
// 15 to 17 cycles an element.
#include "sw_clip.inc"

    .macro FETCH
    mov @r15+, r13
    add r11, r13
    .endm

    RAM_FUNCTION sw_clip_bias_s16_cpu
    mov CLIP_BIAS(r12), r11 // bias
    CLIP_ARGUMENTS
    CLIP_ROWS 1, FETCH
