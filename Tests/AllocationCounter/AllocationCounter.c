#include "AllocationCounter.h"

#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#if defined(__linux__) && defined(__GLIBC__) && !defined(SANITIZED)

#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_int counting;
static atomic_long count;

enum { deepest = 32 };
static void *first[deepest];
static int depth;

static void note(void) {
  if (!atomic_load_explicit(&counting, memory_order_relaxed)) return;
  if (atomic_fetch_add(&count, 1) == 0) depth = backtrace(first, deepest);
}

void *malloc(size_t size) {
  note();
  return __libc_malloc(size);
}

void *calloc(size_t elements, size_t size) {
  note();
  return __libc_calloc(elements, size);
}

void *realloc(void *old, size_t size) {
  note();
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  note();
  void *block = __libc_memalign(alignment, size);
  if (!block) return ENOMEM;
  *result = block;
  return 0;
}

int allocation_counter_works(void) { return 1; }

void allocation_counter_start(void) {
  // Its first call loads a library, and so allocates.
  backtrace(first, deepest);
  depth = 0;
  atomic_store(&count, 0);
  atomic_store(&counting, 1);
}

long allocation_counter_stop(void) {
  atomic_store(&counting, 0);
  return atomic_load(&count);
}

void allocation_counter_print_first(int descriptor) {
  if (depth > 0) backtrace_symbols_fd(first, depth, descriptor);
}

#else

int allocation_counter_works(void) { return 0; }
void allocation_counter_start(void) {}
long allocation_counter_stop(void) { return 0; }
void allocation_counter_print_first(int descriptor) { (void)descriptor; }

#endif
