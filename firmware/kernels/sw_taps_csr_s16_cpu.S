// SPDX-License-Identifier: Apache-2.0
// void sw_taps_csr_s16_cpu(sw_unpack_t *unpack)
// About 24 cycles an entry. r6 and r7 hold 20-bit addresses between the MOVA loads and stores.
#include "sw_unpack.inc"

    RAM_FUNCTION sw_taps_csr_s16_cpu
    PUSHM_W 7, r10
    UNPACK_LOAD
    MOVA_LOAD UNPACK_DELTAS, r12, r7
    tst r5
    jz .Ldone
.Lentry:
    MOVXP_B r7, r15
    add r15, r8
    add r15, r8
    sub r15, r10
    cmp #1, r10
    jl .Lnext_row
.Lwrite:
    UNPACK_WRITE
    dec r5
    jnz .Lentry
.Ldone:
    MOVA_STORE r7, UNPACK_DELTAS, r12
    UNPACK_STORE
    POPM_W 7, r10
    ret
.Lnext_row:
    UNPACK_NEXT_ROW
    cmp #1, r10
    jl .Lnext_row
    jmp .Lwrite
