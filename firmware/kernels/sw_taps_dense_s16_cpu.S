// SPDX-License-Identifier: Apache-2.0
// void sw_taps_dense_s16_cpu(sw_unpack_t *unpack)
#include "sw_unpack.inc"

    RAM_FUNCTION sw_taps_dense_s16_cpu
    PUSHM_W 7, r10
    UNPACK_LOAD
    tst r5
    jz .Ldone
.Lentry:
    incd r8
    dec r10
    jz .Lnext_row
.Lwrite:
    UNPACK_WRITE
    dec r5
    jnz .Lentry
.Ldone:
    UNPACK_STORE
    POPM_W 7, r10
    ret
.Lnext_row:
    UNPACK_NEXT_ROW
    jmp .Lwrite
