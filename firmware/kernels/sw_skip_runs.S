// SPDX-License-Identifier: Apache-2.0
// void sw_skip_runs(sw_cursor_t *cursor, const sw_packed_t *packed, uint16_t runs)
// About 50 cycles a run. r9, r10 and r11 hold the 20-bit addresses of counts, index and weights.
#include "sw_msp430x.inc"

    FUNCTION sw_skip_runs
    PUSHM_W 5, r10
    MOVA_LOAD 2, r12, r11
    MOVA_LOAD 6, r12, r10
    MOVA_LOAD 10, r12, r9
    mov 6(r13), r8 // run_bytes
    tst r14
    jz .Ldone
.Lrun:
    mov 8(r13), r15 // cols
    cmp.b #1, 3(r13) // count_bytes
    jl .Lcounted
    jeq .Lbyte_count
    MOVXP_W r9, r15
    jmp .Lcounted
.Lbyte_count:
    MOVXP_B r9, r15
.Lcounted:
    ADDA r15, r11
    cmp.b #1, 2(r13) // weight_bytes
    jeq .Lweights
    ADDA r15, r11
.Lweights:
    ADDA r8, r10
    mov.b 5(r13), r7 // word_shift
    tst r7
    jz .Lnext
    dec r15 // words: ((count - 1) >> shift) + 1, or 0
    jn .Lnext
.Lshift:
    rra r15
    dec r7
    jnz .Lshift
    inc r15
    ADDA r15, r10
    ADDA r15, r10
.Lnext:
    dec r14
    jnz .Lrun
.Ldone:
    MOVA_STORE r11, 2, r12
    MOVA_STORE r10, 6, r12
    MOVA_STORE r9, 10, r12
    POPM_W 5, r10
    ret
