// SPDX-License-Identifier: Apache-2.0
// memcpy and memset for the large model, whose pointers the firmware's own (sw_mem.S) do not take.
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

void *memcpy(void *to, const void *from, size_t bytes) {
    volatile char *t = to; // volatile: not a loop that the compiler makes a call of memcpy from
    const char *f = from;
    for (size_t i = 0; i < bytes; ++i) t[i] = f[i];
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    volatile char *t = to;
    for (size_t i = 0; i < bytes; ++i) t[i] = (char)value;
    return to;
}
