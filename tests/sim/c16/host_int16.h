// SPDX-License-Identifier: Apache-2.0
// C's integers as a 16-bit machine has them, for C++17 on a PC: int has 16 bits, long 32, arithmetic wraps.
//
// Modelled: integer promotion, usual arithmetic conversions, types of literals (the suffix operator _c),
// bit-fields as class members, pointers that mix signedness as C lets them. Not modelled: the conditional
// operator between different types, long long. Result: a random C program gives the same numbers here as on
// an MSP430, whatever the PC's int is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace c16 {

template <int Width, bool Signed> struct Int;

constexpr int64_t wrap(int64_t v, int width, bool is_signed) {
    const uint64_t one = 1, mask = (one << width) - 1;
    uint64_t low = static_cast<uint64_t>(v) & mask;
    if (is_signed && (low >> (width - 1))) low |= ~mask;
    return static_cast<int64_t>(low);
}

template <int Width, bool Signed> struct Stored;
template <> struct Stored<8, true> {
    using type = signed char;
};
template <> struct Stored<8, false> {
    using type = unsigned char;
};
template <> struct Stored<16, true> {
    using type = short;
};
template <> struct Stored<16, false> {
    using type = unsigned short;
};
template <> struct Stored<32, true> {
    using type = int;
};
template <> struct Stored<32, false> {
    using type = unsigned;
};

// Promoted<T>: T after integer promotion; bool and the PC's int stand for int.
template <class T> struct Promoted {};
template <> struct Promoted<bool> {
    using type = Int<16, true>;
};
template <> struct Promoted<int> {
    using type = Int<16, true>;
};
template <int Width, bool Signed> struct Promoted<Int<Width, Signed>> {
    using type = std::conditional_t<(Width < 16), Int<16, true>, Int<Width, Signed>>;
};
template <int Width, bool Signed> struct Bits;
template <int Width, bool Signed> struct Promoted<Bits<Width, Signed>> {
    using type = Int<(Width > 16 ? 32 : 16), Signed || (Width < 16) || (Width > 16 && Width < 32)>;
};

template <class A, class B> struct Common;
template <int V, bool S, int W, bool T> struct Common<Int<V, S>, Int<W, T>> {
    using type = Int<(V > W ? V : W), (V > W ? S : W > V ? T : S && T)>;
};
template <class A, class B>
using CommonOf = typename Common<typename Promoted<A>::type, typename Promoted<B>::type>::type;

template <class T> constexpr int64_t value_of(T v) {
    if constexpr (std::is_arithmetic_v<T>)
        return static_cast<int64_t>(v);
    else
        return v.get();
}

template <int Width, bool Signed> struct Int {
    using Raw = typename Stored<Width, Signed>::type;
    Raw raw;

    Int() = default;
    template <class T, class = typename Promoted<T>::type>
    constexpr Int(T v) : raw(static_cast<Raw>(wrap(value_of(v), Width, Signed))) {}
    static constexpr Int of(int64_t v) {
        Int out{};
        out.raw = static_cast<Raw>(wrap(v, Width, Signed));
        return out;
    }
    constexpr int64_t get() const { return raw; }
    constexpr operator long() const { return static_cast<long>(raw); }

    Int &operator++() { return *this = of(get() + 1); }
    Int &operator--() { return *this = of(get() - 1); }
    Int operator++(int) { return step(1); }
    Int operator--(int) { return step(-1); }

  private:
    Int step(int by) {
        Int old = *this;
        *this = of(get() + by);
        return old;
    }
};

// A bit-field as an ordinary member: it takes the room of an int, but cuts and promotes as a field does.
template <int Width, bool Signed> struct Bits {
    int raw;
    Bits() = default;
    template <class T, class = typename Promoted<T>::type>
    constexpr Bits(T v) : raw(static_cast<int>(wrap(value_of(v), Width, Signed))) {}
    constexpr int64_t get() const { return wrap(raw, Width, Signed); }
    constexpr operator long() const { return static_cast<long>(get()); }
    Bits &operator++() { return *this = Bits(Int<32, true>::of(get() + 1)); }
    Bits &operator--() { return *this = Bits(Int<32, true>::of(get() - 1)); }
    Bits operator++(int) { return step(1); }
    Bits operator--(int) { return step(-1); }

  private:
    Bits step(int by) {
        Bits old = *this;
        *this = Bits(Int<32, true>::of(get() + by));
        return old;
    }
};

// A pointer that takes one to the other signedness without a cast, which C compilers only warn of.
template <class T> struct Ptr {
    T *raw;
    Ptr() = default;
    Ptr(std::nullptr_t) : raw(nullptr) {}
    template <class U> Ptr(U *p) : raw(reinterpret_cast<T *>(p)) {}
    template <class U> Ptr(Ptr<U> p) : raw(reinterpret_cast<T *>(p.raw)) {}
    Ptr(Int<16, true>) : raw(nullptr) {} // {0} in a union or struct
    T &operator*() const { return *raw; }
    T *operator->() const { return raw; }
    T &operator[](long i) const { return raw[i]; }
    Ptr operator+(long n) const { return raw + n; }
    Ptr operator++(int) { return raw++; }
    explicit operator bool() const { return raw; }
};
inline const void *place(std::nullptr_t) {
    return nullptr;
}
template <class T> const void *place(T *p) {
    return p;
}
template <class T> const void *place(Ptr<T> p) {
    return p.raw;
}
template <class T, class U> bool operator==(Ptr<T> a, U b) {
    return a.raw == place(b);
}
template <class T, class U> bool operator!=(Ptr<T> a, U b) {
    return a.raw != place(b);
}
template <class T, class U> bool operator==(U *a, Ptr<T> b) {
    return a == place(b);
}
template <class T, class U> bool operator!=(U *a, Ptr<T> b) {
    return a != place(b);
}
template <class T> bool operator==(std::nullptr_t, Ptr<T> b) {
    return !b.raw;
}
template <class T> bool operator!=(std::nullptr_t, Ptr<T> b) {
    return b.raw;
}

template <class T> struct IsOurs : std::false_type {};
template <int W, bool S> struct IsOurs<Int<W, S>> : std::true_type {};
template <int W, bool S> struct IsOurs<Bits<W, S>> : std::true_type {};
template <class A, class B>
using Both = std::enable_if_t<IsOurs<A>::value || IsOurs<B>::value, CommonOf<A, B>>;
template <class A, class B>
using Shifted = std::enable_if_t<IsOurs<A>::value || IsOurs<B>::value, typename Promoted<A>::type>;
template <class A> using One = std::enable_if_t<IsOurs<A>::value, typename Promoted<A>::type>;

#define C16_BINARY(op)                                                                                       \
    template <class A, class B> constexpr Both<A, B> operator op(A a, B b) {                                 \
        using R = CommonOf<A, B>;                                                                            \
        return R::of(                                                                                        \
            static_cast<int64_t>(static_cast<uint64_t>(R(a).get()) op static_cast<uint64_t>(R(b).get())));   \
    }                                                                                                        \
    template <class A, class B, class = Both<A, B>> A &operator op## = (A & a, B b) {                        \
        return a = a op b;                                                                                   \
    }
C16_BINARY(+)
C16_BINARY(-)
C16_BINARY(*)
C16_BINARY(&)
C16_BINARY(|)
C16_BINARY(^)

#define C16_SIGNED(op)                                                                                       \
    template <class A, class B> constexpr Both<A, B> operator op(A a, B b) {                                 \
        using R = CommonOf<A, B>;                                                                            \
        return R::of(R(a).get() op R(b).get());                                                              \
    }                                                                                                        \
    template <class A, class B, class = Both<A, B>> A &operator op## = (A & a, B b) {                        \
        return a = a op b;                                                                                   \
    }
C16_SIGNED(/)
C16_SIGNED(%)

#define C16_SHIFT(op)                                                                                        \
    template <class A, class B> constexpr Shifted<A, B> operator op(A a, B b) {                              \
        using R = typename Promoted<A>::type;                                                                \
        return R::of(R(a).get() op value_of(b));                                                             \
    }                                                                                                        \
    template <class A, class B, class = Shifted<A, B>> A &operator op## = (A & a, B b) {                     \
        return a = a op b;                                                                                   \
    }
C16_SHIFT(<<)
C16_SHIFT(>>)

#define C16_COMPARE(op)                                                                                      \
    template <class A, class B, class R = Both<A, B>> constexpr bool operator op(A a, B b) {                 \
        return R(a).get() op R(b).get();                                                                     \
    }
C16_COMPARE(==)
C16_COMPARE(!=)
C16_COMPARE(<)
C16_COMPARE(<=)
C16_COMPARE(>)
C16_COMPARE(>=)

template <class A> constexpr One<A> operator-(A a) {
    return One<A>::of(-One<A>(a).get());
}
template <class A> constexpr One<A> operator~(A a) {
    return One<A>::of(~One<A>(a).get());
}
template <class A> constexpr One<A> operator+(A a) {
    return One<A>(a);
}

// Types of literals by C99 6.4.4.1: decimal without U stays signed, hexadecimal may become unsigned.
template <char... Digits> constexpr uint64_t parse() {
    const char text[] = {Digits..., 0};
    const bool hex = sizeof...(Digits) > 2 && (text[1] == 'x' || text[1] == 'X');
    uint64_t v = 0;
    for (unsigned i = hex ? 2 : 0; i < sizeof...(Digits); ++i) {
        const char c = text[i];
        const int digit = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
        v = v * (hex ? 16 : 10) + static_cast<uint64_t>(digit);
    }
    return v;
}
template <char... Digits> constexpr auto literal() {
    constexpr char text[] = {Digits..., 0};
    constexpr bool hex = sizeof...(Digits) > 2 && (text[1] == 'x' || text[1] == 'X');
    constexpr uint64_t v = parse<Digits...>();
    static_assert(v <= 0xFFFFFFFF && (hex || v <= 0x7FFFFFFF), "needs long long");
    if constexpr (v <= 0x7FFF)
        return Int<16, true>::of(v);
    else if constexpr (hex && v <= 0xFFFF)
        return Int<16, false>::of(v);
    else if constexpr (v <= 0x7FFFFFFF)
        return Int<32, true>::of(v);
    else
        return Int<32, false>::of(v);
}

} // namespace c16

template <char... Digits> constexpr auto operator""_c() {
    return c16::literal<Digits...>();
}
template <char... Digits> constexpr auto operator""_u() { // suffix U
    constexpr uint64_t v = c16::parse<Digits...>();
    return c16::Int<(v <= 0xFFFF ? 16 : 32), false>::of(static_cast<int64_t>(v));
}
template <char... Digits> constexpr auto operator""_l() { // suffix L
    constexpr uint64_t v = c16::parse<Digits...>();
    return c16::Int<32, (v <= 0x7FFFFFFF)>::of(static_cast<int64_t>(v));
}
template <char... Digits> constexpr auto operator""_ul() { // suffix UL
    return c16::Int<32, false>::of(static_cast<int64_t>(c16::parse<Digits...>()));
}
