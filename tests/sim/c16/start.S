// SPDX-License-Identifier: Apache-2.0
// From reset to main and to `done`. The stack lies below all data: its overflow is an access to vacant memory.
#ifdef __MSP430X_LARGE__
#define CALL calla
#else
#define CALL call
#endif
    .section .init, "ax", @progbits
    .globl _start, done
_start:
    mov #__stack_top, r1
    mov #0x5A80, &0x015C // WDTCTL: hold
    mov #__bss_start, r12
.Lclear:
    cmp #__bss_end, r12
    jhs .Lcleared
    mov #0, 0(r12)
    add #2, r12
    jmp .Lclear
.Lcleared:
    mov #__data_load, r13
    mov #__data_start, r12
.Lcopy:
    cmp #__data_end, r12
    jhs .Lcopied
    mov @r13, r14
    mov r14, 0(r12)
    add #2, r13
    add #2, r12
    jmp .Lcopy
.Lcopied:
    CALL #main
    .type done, @function
done:
    jmp done
    .section .vectors, "a", @progbits
    .rept 55
    .word done
    .endr
    .word _start
