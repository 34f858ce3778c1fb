// What the compiler may assume of the processor, as constants that Swift folds. Swift cannot ask
// for target features, but its importer of C sees the same -march that its code generator obeys.
#pragma once

/// 1 where a fused multiply-add of floats is one instruction, 0 where it is a call.
#if defined(__FMA__) || defined(__aarch64__)
#define TESSERA_HAS_FMA 1
#else
#define TESSERA_HAS_FMA 0
#endif

/// The floats that a vector register holds: 16, 8 or 4.
#if defined(__AVX512F__)
#define TESSERA_VECTOR_FLOATS 16
#elif defined(__AVX2__) && defined(__FMA__)
#define TESSERA_VECTOR_FLOATS 8
#else
#define TESSERA_VECTOR_FLOATS 4
#endif

/// How many of these registers there are.
#if defined(__AVX512F__) || defined(__aarch64__)
#define TESSERA_VECTOR_REGISTERS 32
#else
#define TESSERA_VECTOR_REGISTERS 16
#endif

/// The level of the processor for which this is compiled, as the psABI numbers them: 4 has AVX-512, 3 AVX2 and
/// fused multiply-add, 2 SSE4.2; 0 on other processors.
#if !defined(__x86_64__)
#define TESSERA_LEVEL 0
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
#define TESSERA_LEVEL 4
#elif defined(__AVX2__) && defined(__FMA__) && defined(__BMI2__) && defined(__F16C__)
#define TESSERA_LEVEL 3
#elif defined(__SSE4_2__)
#define TESSERA_LEVEL 2
#else
#define TESSERA_LEVEL 1
#endif
