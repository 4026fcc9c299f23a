// SPDX-License-Identifier: Apache-2.0
// Allocation of the decode table.
//
// Modelled: lazily committed zero pages (mmap, VirtualAlloc). Not modelled: sharing between forks.
#include "op.h"
#include <new>

#if defined(_WIN32)
#define NOMINMAX
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sys/mman.h>
#endif

namespace sw {

Op *OpTable::reserve(size_t entries) {
    if (data_) return data_;
    bytes_ = entries * sizeof(Op);
#if defined(_WIN32)
    void *p = VirtualAlloc(nullptr, bytes_, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (!p) throw std::bad_alloc();
#else
    void *p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
#endif
    data_ = static_cast<Op *>(p);
    return data_;
}

void OpTable::release() {
    if (!data_) return;
#if defined(_WIN32)
    VirtualFree(data_, 0, MEM_RELEASE);
#else
    munmap(data_, bytes_);
#endif
    data_ = nullptr;
}

} // namespace sw
