// SPDX-License-Identifier: Apache-2.0
// void sw_clip_maxpool_1x2_s16_cpu(const sw_clip_t *clip)
// 20 to 23 cycles an output.
#include "sw_clip.inc"

    .macro FETCH
    mov @r15+, r13
    MAX r15
    .endm

    RAM_FUNCTION sw_clip_maxpool_1x2_s16_cpu
    CLIP_ARGUMENTS
    CLIP_ROWS 2, FETCH
