// SPDX-License-Identifier: Apache-2.0
// memcpy, memmove and memset: compilers call them for struct copies and for loops that they recognise.
#include "sw_msp430x.inc"

/* void *memcpy(void *to, const void *from, size_t bytes): r12, r13, r14; returns r12 */
    FUNCTION memcpy
    mov r12, r15
    tst r14
    jz .Lcpy_done
.Lcpy:
    mov.b @r13+, r11
    mov.b r11, 0(r15)
    inc r15
    dec r14
    jnz .Lcpy
.Lcpy_done:
    ret

    FUNCTION memmove
    cmp r12, r13 // from - to
    jhs memcpy   // `from` is above or equal: upwards is safe
    mov r12, r15
    add r14, r15
    add r14, r13
.Lmove:
    tst r14
    jz .Lmove_done
    dec r13
    dec r15
    mov.b @r13, 0(r15)
    dec r14
    jmp .Lmove
.Lmove_done:
    ret

/* void *memset(void *to, int value, size_t bytes) */
    FUNCTION memset
    mov r12, r15
    tst r14
    jz .Lset_done
.Lset:
    mov.b r13, 0(r15)
    inc r15
    dec r14
    jnz .Lset
.Lset_done:
    ret
