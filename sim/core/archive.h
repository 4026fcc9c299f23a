// SPDX-License-Identifier: Apache-2.0
// Values to bytes and back: one template walks over both directions, so what is written is what is read.
//
// Modelled: integers, bool, enums (little-endian, fixed widths), doubles, arrays, vectors, strings, optional
//   shared constants; a struct is what its `visit` (snapshot.cpp) lists. A reader that runs short, or finds a
//   count that cannot be, throws BadState.
// Not modelled: versions (a snapshot carries the hash of the core and belongs to it), pointers into tables.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace sw {

struct BadState : std::runtime_error {
    using std::runtime_error::runtime_error;
};

template <class A, class T> void field(A &a, T &v);

class Writer {
  public:
    static constexpr bool kReads = false;

    template <class... T> void operator()(T &...v) { (field(*this, v), ...); }
    void integer(uint64_t &v, size_t bytes) {
        for (size_t i = 0; i < bytes; ++i) out_.push_back(static_cast<char>(v >> (8 * i)));
    }
    void block(uint8_t *data, size_t size) { out_.append(reinterpret_cast<const char *>(data), size); }
    std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

class Reader {
  public:
    static constexpr bool kReads = true;

    explicit Reader(const std::string &bytes) : bytes_(bytes) {}
    template <class... T> void operator()(T &...v) { (field(*this, v), ...); }
    void integer(uint64_t &v, size_t bytes) {
        const char *p = next(bytes);
        v = 0;
        for (size_t i = 0; i < bytes; ++i) v |= static_cast<uint64_t>(static_cast<uint8_t>(p[i])) << (8 * i);
    }
    void block(uint8_t *data, size_t size) {
        const char *p = next(size);
        if (size) std::memcpy(data, p, size);
    }
    size_t rest() const { return bytes_.size() - at_; }

  private:
    const char *next(size_t size) {
        if (size > rest()) throw BadState("the state ends early");
        at_ += size;
        return bytes_.data() + at_ - size;
    }

    const std::string &bytes_;
    size_t at_ = 0;
};

template <class A, class T> void number(A &a, T &v) {
    uint64_t bits = 0;
    if constexpr (std::is_floating_point_v<T>) {
        static_assert(sizeof(T) == 8);
        std::memcpy(&bits, &v, 8);
    } else {
        bits = static_cast<uint64_t>(v);
    }
    a.integer(bits, sizeof(T));
    if constexpr (std::is_floating_point_v<T>)
        std::memcpy(&v, &bits, 8);
    else if constexpr (std::is_same_v<T, bool>)
        v = bits != 0;
    else
        v = static_cast<T>(bits);
}

// Every element takes a byte or more, so a larger count than there are bytes cannot be.
template <class A> size_t count(A &a, size_t now) {
    uint64_t size = now;
    a.integer(size, 8);
    if constexpr (A::kReads)
        if (size > a.rest()) throw BadState("a count exceeds the state");
    return static_cast<size_t>(size);
}

template <class A, class T> void sequence(A &a, T *data, size_t size) {
    if constexpr (std::is_same_v<T, uint8_t>)
        a.block(data, size);
    else
        for (size_t i = 0; i < size; ++i) field(a, data[i]);
}

template <class T> struct IsVector : std::false_type {};
template <class T> struct IsVector<std::vector<T>> : std::true_type {};
template <class T> struct IsStdArray : std::false_type {};
template <class T, size_t N> struct IsStdArray<std::array<T, N>> : std::true_type {};
template <class T> struct IsShared : std::false_type {};
template <class T> struct IsShared<std::shared_ptr<T>> : std::true_type {};

template <class A, class T> void shared(A &a, std::shared_ptr<T> &v) {
    bool there = v != nullptr;
    number(a, there);
    if (!there) {
        v.reset();
        return;
    }
    auto copy = std::make_shared<std::remove_const_t<T>>(v ? *v : std::remove_const_t<T>{});
    field(a, *copy);
    if constexpr (A::kReads) v = copy;
}

template <class A, class T> void field(A &a, T &v) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
        number(a, v);
    } else if constexpr (std::is_array_v<T>) {
        sequence(a, v, std::extent_v<T>);
    } else if constexpr (IsStdArray<T>::value) {
        sequence(a, v.data(), v.size());
    } else if constexpr (IsVector<T>::value) {
        size_t size = count(a, v.size());
        if constexpr (A::kReads) v.assign(size, typename T::value_type());
        sequence(a, v.data(), size);
    } else if constexpr (std::is_same_v<T, std::string>) {
        size_t size = count(a, v.size());
        if constexpr (A::kReads) v.assign(size, '\0');
        a.block(reinterpret_cast<uint8_t *>(v.data()), size);
    } else if constexpr (IsShared<T>::value) {
        shared(a, v);
    } else {
        visit(a, v);
    }
}

} // namespace sw
