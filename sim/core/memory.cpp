// SPDX-License-Identifier: Apache-2.0
// A small pool of blocks: fresh ones cost a page fault per 4 KB, recycled ones nothing.
//
// Modelled / Not modelled: see memory.h.
#include "memory.h"

#include <cstring>
#include <mutex>
#include <vector>

namespace sw {

namespace {

struct Block {
    uint8_t *data;
    size_t size;
};

constexpr size_t kKept = 8;

struct Pool {
    std::mutex lock; // machines are made and dropped on any thread
    std::vector<Block> free;

    uint8_t *take(size_t size) {
        {
            std::lock_guard<std::mutex> guard(lock);
            if (!free.empty() && free.back().size == size) {
                uint8_t *data = free.back().data;
                free.pop_back();
                return data;
            }
        }
        return new uint8_t[size];
    }

    void give(uint8_t *data, size_t size) {
        {
            std::lock_guard<std::mutex> guard(lock);
            if (free.size() < kKept) {
                free.push_back({data, size});
                return;
            }
        }
        delete[] data;
    }
};

Pool &pool() {
    static Pool *instance = new Pool; // never destroyed: machines may outlive static objects at exit
    return *instance;
}

} // namespace

Memory::Memory(const Memory &other)
    : data_(other.size_ ? pool().take(other.size_) : nullptr), size_(other.size_) {
    if (size_) std::memcpy(data_, other.data_, size_);
}

Memory &Memory::operator=(const Memory &other) {
    if (this == &other) return *this;
    if (size_ != other.size_) assign(other.size_, 0);
    if (size_) std::memcpy(data_, other.data_, size_);
    return *this;
}

Memory::~Memory() {
    if (data_) pool().give(data_, size_);
}

void Memory::assign(size_t size, uint8_t value) {
    if (data_) pool().give(data_, size_);
    data_ = size ? pool().take(size) : nullptr;
    size_ = size;
    if (size_) std::memset(data_, value, size_);
}

} // namespace sw
