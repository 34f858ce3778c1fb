// Arithmetic on sixteen floats that Swift's standard library does lane by lane. The importer hands
// these to Swift's own code generator, which inlines them as single instructions.
#pragma once

#include "processor.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

typedef float tessera_floats __attribute__((ext_vector_type(16)));
typedef double tessera_doubles __attribute__((ext_vector_type(16)));

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
