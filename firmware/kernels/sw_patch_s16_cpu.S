// SPDX-License-Identifier: Apache-2.0
// void sw_patch_s16_cpu(const sw_patching_t *work)
// A run takes about 27 cycles, and each word 12, from FRAM.
#include "sw_msp430x.inc"

    FUNCTION sw_patch_s16_cpu
    PUSHM_W 2, r10
    MOVA_LOAD 0, r12, r13 // headers
    MOVA_LOAD 4, r12, r15 // weights
    MOVA_LOAD 8, r12, r14 // image
    mov 14(r12), r9 // up
    mov 12(r12), r12 // runs
.Lrun:
    MOVXP_W r13, r11
    mov.b r11, r10
    add r10, r10
    ADDA r10, r14
    swpb r11
    and #0xFF, r11
    jz .Lnext
    tst r9
    jz .Lclear
.Lwrite:
    MOVXP_IDX r15, 0, r14
    INCDA r14
    dec r11
    jnz .Lwrite
.Lnext:
    dec r12
    jnz .Lrun
    POPM_W 2, r10
    ret
.Lclear:
    CLRX_IDX 0, r14
    INCDA r14
    dec r11
    jnz .Lclear
    jmp .Lnext
