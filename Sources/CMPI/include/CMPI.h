#ifndef TESSERA_CMPI_H
#define TESSERA_CMPI_H

#include <stddef.h>

/// Bytes that go to a rank, or come from one.
typedef struct {
  int rank;
  void *bytes;
  size_t count;
} tessera_mpi_transfer;

/// Joins the ranks that mpirun started. Returns 0, or an MPI error code.
int tessera_mpi_start(int *rank, int *size);

/// Begins to send and to receive. Returns 0, or an MPI error code.
int tessera_mpi_begin(const tessera_mpi_transfer *sends, size_t sendCount,
                      const tessera_mpi_transfer *receives, size_t receiveCount);

/// Goes on with what was begun; waits until all is done if it is asked to. Returns 0, or an MPI error code.
int tessera_mpi_proceed(int waits);

/// What an error code means.
void tessera_mpi_describe(int error, char *text, size_t room);

/// The name and version of the library.
void tessera_mpi_library(char *text, size_t room);

/// Ends all ranks.
void tessera_mpi_abort(int code);

/// Leaves; all ranks call it.
void tessera_mpi_finish(void);

#endif
