// SPDX-License-Identifier: Apache-2.0
// The flat memory image as a copyable value whose blocks are recycled, so that a fork costs one memcpy.
//
// Modelled: storage. Not modelled: copy on write (a copy of 272 KB takes about 10 us; page tables would slow
// every access).
#pragma once

#include "types.h"
#include <cstddef>

namespace sw {

class Memory {
  public:
    Memory() = default;
    Memory(const Memory &other);
    Memory &operator=(const Memory &other);
    ~Memory();

    void assign(size_t size, uint8_t value);
    uint8_t *data() { return data_; }
    const uint8_t *data() const { return data_; }
    size_t size() const { return size_; }
    uint8_t &operator[](size_t i) { return data_[i]; }
    uint8_t operator[](size_t i) const { return data_[i]; }

  private:
    uint8_t *data_ = nullptr;
    size_t size_ = 0;
};

} // namespace sw
