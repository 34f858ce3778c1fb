#pragma once
#include <cblas.h>
#include <stddef.h>

// LAPACK as OpenBLAS has it inside: matrices column by column, everything by address, and the
// lengths of strings last, as Fortran passes them.

/// A = U S V^T by divide and conquer.
void dgesdd_(
    const char *jobz, const blasint *m, const blasint *n, double *a, const blasint *lda, double *s,
    double *u, const blasint *ldu, double *vt, const blasint *ldvt, double *work,
    const blasint *lwork, blasint *iwork, blasint *info, size_t jobz_length);

/// A = L Q.
void dgelqf_(
    const blasint *m, const blasint *n, double *a, const blasint *lda, double *tau, double *work,
    const blasint *lwork, blasint *info);
