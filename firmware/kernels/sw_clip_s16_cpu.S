// SPDX-License-Identifier: Apache-2.0
// void sw_clip_s16_cpu(const sw_clip_t *clip)
// 14 to 16 cycles an element.
#include "sw_clip.inc"

    .macro FETCH
    mov @r15+, r13
    .endm

    RAM_FUNCTION sw_clip_s16_cpu
    CLIP_ARGUMENTS
    CLIP_ROWS 1, FETCH
