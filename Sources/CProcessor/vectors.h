// Arithmetic on sixteen floats that Swift's standard library does lane by lane. The importer hands
// these to Swift's own code generator, which inlines them as single instructions.
#pragma once

#include "processor.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

typedef float tessera_floats __attribute__((ext_vector_type(16)));
typedef float tessera_half_floats __attribute__((ext_vector_type(8)));
typedef double tessera_doubles __attribute__((ext_vector_type(16)));
typedef unsigned int tessera_words __attribute__((ext_vector_type(16)));

#define TESSERA_INLINE static inline __attribute__((always_inline))

/// The `count` < 16 floats from x on, with zeros behind them.
TESSERA_INLINE tessera_floats tessera_first(const float *x, long count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), x);
#else
  tessera_floats v = 0;
  __builtin_memcpy(&v, x, 4 * count);
  return v;
#endif
}

/// Writes the first `count` < 16 floats of v from y on.
TESSERA_INLINE void tessera_store_first(tessera_floats v, float *y, long count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(y, (__mmask16)((1u << count) - 1), v);
#else
  __builtin_memcpy(y, &v, 4 * count);
#endif
}

/// a b + c: rounded once where the processor does that in one instruction, else twice, because the
/// call that rounds once takes each lane by itself.
TESSERA_INLINE tessera_floats tessera_multiply_add(
    tessera_floats a, tessera_floats b, tessera_floats c) {
#if TESSERA_HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

TESSERA_INLINE tessera_half_floats tessera_half_multiply_add(
    tessera_half_floats a, tessera_half_floats b, tessera_half_floats c) {
#if TESSERA_HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

/// The square root of each lane, rounded once.
TESSERA_INLINE tessera_floats tessera_square_root(tessera_floats v) {
  return __builtin_elementwise_sqrt(v);
}

/// The same numbers in double.
TESSERA_INLINE tessera_doubles tessera_doubles_of(tessera_floats v) {
  return __builtin_convertvector(v, tessera_doubles);
}

/// The nearest floats.
TESSERA_INLINE tessera_floats tessera_floats_of(tessera_doubles v) {
  return __builtin_convertvector(v, tessera_floats);
}

/// A permutation of 32-bit integers that looks random: two rounds of multiplying and folding, whose
/// constants let each bit of the input move half of the output's (Wellons, "Prospecting for hash
/// functions", 2018).
TESSERA_INLINE tessera_words tessera_scrambled(tessera_words x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

/// v times `factor` where the words are at least `threshold`, else 0.
TESSERA_INLINE tessera_floats tessera_kept(
    tessera_floats v, float factor, tessera_words words, unsigned int threshold) {
  return words >= threshold ? v * factor : (tessera_floats)0;
}

/// Asks for the cache line at an address, which is read soon.
TESSERA_INLINE void tessera_prefetch(const float *x) { __builtin_prefetch(x, 0, 3); }

/// Asks for it in the second cache: it is read a little later.
TESSERA_INLINE void tessera_prefetch_soon(const float *x) { __builtin_prefetch(x, 0, 2); }

/// Leaves the core to its other thread for a moment, in a loop that waits for another core.
TESSERA_INLINE void tessera_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Asks for the cache line at an address, which is written soon.
TESSERA_INLINE void tessera_prefetch_write(const float *y) { __builtin_prefetch(y, 1, 3); }
