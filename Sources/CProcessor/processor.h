// What the compiler may assume of the processor, as constants that Swift folds. Swift cannot ask
// for target features, but its importer of C sees the same -march that its code generator obeys.
#pragma once

/// 1 where a fused multiply-add of floats is one instruction, 0 where it is a call.
#if defined(__FMA__) || defined(__aarch64__)
#define TESSERA_HAS_FMA 1
#else
#define TESSERA_HAS_FMA 0
#endif

/// The floats that a vector register holds: 16 (with 32 registers), 8 (with 16 registers), or 4.
#if defined(__AVX512F__)
#define TESSERA_VECTOR_FLOATS 16
#elif defined(__AVX2__) && defined(__FMA__)
#define TESSERA_VECTOR_FLOATS 8
#else
#define TESSERA_VECTOR_FLOATS 4
#endif
