// The program `tessera` of a distribution. The commands are in libTesseraCommands.so, compiled for several
// levels of x86-64: glibc's loader takes the best that runs here from `glibc-hwcaps` by itself. TESSERA_LEVEL
// asks for another, so that ranks on different machines agree, and for tests.
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void tessera_main(void);

#if defined(__x86_64__)

/// Whether this processor has what a level asks for; a level that is not known asks for what none has.
static int runs(const char *level) {
  if (strcmp(level, "x86-64-v2") == 0) return __builtin_cpu_supports("x86-64-v2");
  if (strcmp(level, "x86-64-v3") == 0) return __builtin_cpu_supports("x86-64-v3");
  if (strcmp(level, "x86-64-v4") == 0) return __builtin_cpu_supports("x86-64-v4");
  return 0;
}

/// Starts the program again, with the libraries of a level before all others.
static int restart(const char *level, char **arguments) {
  char program[PATH_MAX], folder[2 * PATH_MAX], list[4 * PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length < 0) {
    perror("error: /proc/self/exe, which says where the program lies");
    return 70;
  }
  program[length] = 0;
  char *copy = strdup(program);
  snprintf(folder, sizeof folder, "%s/../lib/tessera/glibc-hwcaps/%s", dirname(copy), level);
  free(copy);
  if (access(folder, R_OK) != 0) {
    fprintf(stderr, "error: TESSERA_LEVEL is %s, for which this build has no libraries in %s\n", level, folder);
    return 64;
  }
  const char *others = getenv("LD_LIBRARY_PATH");
  snprintf(list, sizeof list, "%s%s%s", folder, others ? ":" : "", others ? others : "");
  setenv("LD_LIBRARY_PATH", list, 1);
  setenv("TESSERA_LEVEL_TAKEN", level, 1);
  execv(program, arguments);
  perror("error: the program cannot be started again for TESSERA_LEVEL");
  return 70;
}

#endif

int main(int count, char **arguments) {
#if defined(__x86_64__)
  if (!runs("x86-64-v2")) {
    fputs("error: this processor has no SSE4.2, which processors have had since about 2009; build from source\n",
          stderr);
    return 70;
  }
  const char *level = getenv("TESSERA_LEVEL"), *taken = getenv("TESSERA_LEVEL_TAKEN");
  if (level && *level && !(taken && strcmp(taken, level) == 0)) {
    if (!runs(level)) {
      fprintf(stderr, "error: TESSERA_LEVEL is %s; it takes x86-64-v2, x86-64-v3 or x86-64-v4, as far as the "
              "processor goes\n", level);
      return 64;
    }
    return restart(level, arguments);
  }
#endif
  tessera_main();
  return 0;
}
