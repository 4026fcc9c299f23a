// SPDX-License-Identifier: Apache-2.0
// void sw_taps_block_s16_cpu(sw_unpack_t *unpack)
#include "sw_unpack.inc"

    FUNCTION sw_taps_block_s16_cpu
    UNPACK_LOAD
    tst r5
    jz .Ldone
.Lentry:
    tst UNPACK_UNIT_LEFT(r12)
    jnz .Lplaced
    mov UNPACK_UNIT(r12), UNPACK_UNIT_LEFT(r12)
    UNPACK_CODE
    tst r15
    jz .Lplaced
.Lgap:
    add UNPACK_UNIT(r12), r8
    add UNPACK_UNIT(r12), r8
    sub UNPACK_UNIT(r12), r10
    dec r15
    jnz .Lgap
.Lplaced:
    dec UNPACK_UNIT_LEFT(r12)
    incd r8
    dec r10
    UNPACK_NEXT_ROWS
    UNPACK_WRITE TAP_S16
    dec r5
    jnz .Lentry
.Ldone:
    UNPACK_STORE
