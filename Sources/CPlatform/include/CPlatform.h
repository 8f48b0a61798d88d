#pragma once
// What Swift's importer cannot reach in libc and libuv: variadic functions and macros.

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

/// A counting event descriptor, not blocking and closed on exec; negative on failure.
static inline int platform_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/// Adds one to the counter: the descriptor becomes readable.
static inline void platform_eventfd_signal(int descriptor) {
  uint64_t one = 1;
  ssize_t written;
  do {
    written = write(descriptor, &one, sizeof one);
  } while (written < 0 && errno == EINTR);
}

/// Sets the counter back to zero.
static inline void platform_eventfd_clear(int descriptor) {
  uint64_t count;
  ssize_t got;
  do {
    got = read(descriptor, &count, sizeof count);
  } while (got < 0 && errno == EINTR);
}

// Gives free pages of the heap back to the system; 1 if there were any.
static inline int platform_return_freed_memory(void) { return malloc_trim(0); }

/// A broken pipe, or a file beyond its limit, is then the error of the write, not the end of the process.
static inline void platform_ignore_signals_of_failed_writes(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

/// Names the calling thread (15 bytes count) for debuggers and `top`.
static inline void platform_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/// Sends the jobs of Swift's global pool to `take` instead, for good. Jobs with a delay (`Task.sleep`) end the process:
/// they would run by a clock that is not the simulation's.
void platform_capture_global_jobs(void (*take)(void *job));

/// Switches the randomization of addresses off for the programs that this process will exec. 1: it was on and is now
/// off; 0: it was off already; negative: the system does not allow it.
int platform_keep_addresses_fixed(void);
