#include "CMPI.h"

// Built in by the trait MPI alone.
#ifdef TESSERA_MPI

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

/// The most bytes of a message: counts of MPI 3 are ints.
static const size_t portion = (size_t)1 << 30;

static MPI_Comm ranks = MPI_COMM_NULL;

int tessera_mpi_start(int *rank, int *size) {
  int provided;
  int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  if (error == MPI_SUCCESS) error = MPI_Comm_dup(MPI_COMM_WORLD, &ranks);
  if (error == MPI_SUCCESS) error = MPI_Comm_set_errhandler(ranks, MPI_ERRORS_RETURN);
  if (error == MPI_SUCCESS) error = MPI_Comm_rank(ranks, rank);
  if (error == MPI_SUCCESS) error = MPI_Comm_size(ranks, size);
  return error;
}

static size_t messages(const tessera_mpi_transfer *transfers, size_t count) {
  size_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += (transfers[i].count + portion - 1) / portion;
  return sum;
}

/// What was begun and is not known to be done.
static MPI_Request *requests = NULL;
static size_t requestCount = 0, requestRoom = 0;

int tessera_mpi_begin(const tessera_mpi_transfer *sends, size_t sendCount,
                      const tessera_mpi_transfer *receives, size_t receiveCount) {
  size_t needed = requestCount + messages(sends, sendCount) + messages(receives, receiveCount);
  if (needed > requestRoom) {
    MPI_Request *larger = realloc(requests, 2 * needed * sizeof *requests);
    if (!larger) return MPI_ERR_NO_MEM;
    requests = larger;
    requestRoom = 2 * needed;
  }
  for (int isSend = 0; isSend < 2; isSend++) {
    const tessera_mpi_transfer *transfers = isSend ? sends : receives;
    for (size_t i = 0; i < (isSend ? sendCount : receiveCount); i++) {
      for (size_t start = 0; start < transfers[i].count; start += portion) {
        size_t rest = transfers[i].count - start;
        int bytes = (int)(rest < portion ? rest : portion);
        char *place = (char *)transfers[i].bytes + start;
        MPI_Request *request = &requests[requestCount];
        int error = isSend
          ? MPI_Isend(place, bytes, MPI_BYTE, transfers[i].rank, 0, ranks, request)
          : MPI_Irecv(place, bytes, MPI_BYTE, transfers[i].rank, 0, ranks, request);
        if (error != MPI_SUCCESS) return error;
        requestCount++;
      }
    }
  }
  return MPI_SUCCESS;
}

int tessera_mpi_proceed(int waits) {
  int isDone = 1;
  int error = waits ? MPI_Waitall((int)requestCount, requests, MPI_STATUSES_IGNORE)
                    : MPI_Testall((int)requestCount, requests, &isDone, MPI_STATUSES_IGNORE);
  if (error == MPI_SUCCESS && isDone) requestCount = 0;
  return error;
}

void tessera_mpi_describe(int error, char *text, size_t room) {
  char message[MPI_MAX_ERROR_STRING + 1] = "";
  int length = 0;
  MPI_Error_string(error, message, &length);
  strncpy(text, message, room - 1);
  text[room - 1] = 0;
}

void tessera_mpi_library(char *text, size_t room) {
  char version[MPI_MAX_LIBRARY_VERSION_STRING + 1] = "";
  int length = 0;
  MPI_Get_library_version(version, &length);
  strncpy(text, version, room - 1);
  text[room - 1] = 0;
}

void tessera_mpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

void tessera_mpi_finish(void) {
  int isOver = 0;
  MPI_Finalized(&isOver);
  if (!isOver) MPI_Finalize();
}

#endif
