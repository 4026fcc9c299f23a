// SPDX-License-Identifier: Apache-2.0
// The part of weights_external.bin that this program writes.
#include "loader_image.h"

    .section .rodata, "a", @progbits
    .balign 4
    .globl loader_payload
loader_payload:
    .long payload
    .globl loader_bytes
loader_bytes:
    .long payload_end - payload

    .section .hifram, "a", @progbits
payload:
    .incbin LOADER_PAYLOAD
payload_end:
