#include "CPlatform.h"

#include <stdlib.h>
#include <sys/personality.h>

// Swift's calling convention passes plain arguments as C's does.
// Declared by the Swift runtime (stdlib/public/Concurrency, "ConcurrencyHooks").
typedef void (*enqueue_original)(void *job);
extern void (*swift_task_enqueueGlobal_hook)(void *job, enqueue_original original);
extern void (*swift_task_enqueueGlobalWithDelay_hook)(unsigned long long delay, void *job, void *original);
extern void (*swift_task_enqueueGlobalWithDeadline_hook)(
    long long seconds, long long nanoseconds, long long tolerance_seconds, long long tolerance_nanoseconds, int clock,
    void *job, void *original);
extern void (*swift_task_enqueueMainExecutor_hook)(void *job, enqueue_original original);

static void (*take_job)(void *job);

static void enqueue_global(void *job, enqueue_original original) {
  (void)original;
  take_job(job);
}

static void enqueue_with_delay(unsigned long long delay, void *job, void *original) { abort(); }

static void enqueue_with_deadline(
    long long seconds, long long nanoseconds, long long tolerance_seconds, long long tolerance_nanoseconds, int clock,
    void *job, void *original) {
  abort();
}

void platform_capture_global_jobs(void (*take)(void *job)) {
  take_job = take;
  swift_task_enqueueGlobal_hook = enqueue_global;
  swift_task_enqueueGlobalWithDelay_hook = enqueue_with_delay;
  swift_task_enqueueGlobalWithDeadline_hook = enqueue_with_deadline;
  swift_task_enqueueMainExecutor_hook = enqueue_global;
}

int platform_keep_addresses_fixed(void) {
  int persona = personality(0xffffffff);
  if (persona < 0) return -1;
  if (persona & ADDR_NO_RANDOMIZE) return 0;
  return personality((unsigned long)persona | ADDR_NO_RANDOMIZE) < 0 ? -1 : 1;
}
