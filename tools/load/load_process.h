/* load_process: what a process of this machine uses: CPU of all its threads, memory; what its
 * device wrote and flushed meanwhile, and what the kernel's own threads worked for it.
 *
 * Owned by whoever measures; one thread; reads /proc and /sys at once (a few dozen files a call),
 * so it is no part of a loop that must be quick.  Works where these are not readable: what is not
 * known is told as not known.
 *   LPR-1  threads that io_uring made for the process are counted with it (they are its threads)
 *   LPR-2  the time of kernel threads (kworker, jbd2 and others without a command line) is of
 *          the whole machine, less what they used when nothing was measured */
#ifndef LEVEE_TOOLS_LOAD_LOAD_PROCESS_H
#define LEVEE_TOOLS_LOAD_LOAD_PROCESS_H

#include "tools/load/load_result.h"

/* The process that listens on this TCP port of this machine; 0: none, or it is not ours to see. */
int32_t load_process_find(uint16_t port);

/* The same of the first address of "host:port,..." when host is this machine. */
int32_t load_process_find_broker(const char *brokers);

struct load_process {
    int32_t pid; /* 0: not known; all else is 0 then */
    uint64_t began_ns;
    uint64_t cpu_ns;        /* at the beginning */
    uint64_t kernel_cpu_ns; /* the same, of kernel threads */
    double kernel_idle;     /* what these use of a processor when nothing is measured */
    uint64_t written_bytes; /* of the device, at the beginning */
    uint64_t flushes_count;
    uint64_t rss_max_bytes;
    char device[32]; /* of the file system with its data directory, "vda"; "": not known */
};

/* Before the load begins, some time before: pid 0 is allowed.  idle_ms: how long to look at what
 * kernel threads use without load (blocks so long; 0: not at all, nothing is subtracted). */
void load_process_open(struct load_process *process, int32_t pid, uint32_t idle_ms);

/* The measured part begins. */
void load_process_begin(struct load_process *process);

/* Now: CPU seconds since the measured part began, and memory; false: not known. */
bool load_process_now(struct load_process *process, double *cpu_s_out, uint64_t *rss_bytes_out);

/* The measured part has ended. */
void load_process_end(struct load_process *process, struct load_broker_use *out);

/* CPU seconds of this process so far. */
double load_process_own_cpu_s(void);

#endif
