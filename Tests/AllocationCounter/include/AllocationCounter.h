#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

// Counts calls of malloc and its kin, from all threads, while counting is on.
//
// Where the C library lets a program put its own malloc before the library's (glibc), this file
// does so; elsewhere nothing is counted, and allocation_counter_works says so.

/// 1 where allocations are counted, 0 where they cannot be.
int allocation_counter_works(void);

/// Starts counting from zero.
void allocation_counter_start(void);

/// Ends counting; the calls that were made meanwhile.
long allocation_counter_stop(void);

/// The return addresses of the first call that was counted, written to a file descriptor.
void allocation_counter_print_first(int descriptor);

#endif
