#include "bench/bench_figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { SAMPLES_MAX = 1 << 20 };

static struct {
    uint32_t samples[SAMPLES_MAX]; /* ns */
    uint32_t sample_count;
    uint64_t acks;
    uint64_t begin_ns;
    double begin_cpu_us;
} slice;

uint64_t figures_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static double cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void figures_begin(void)
{
    slice.sample_count = 0;
    slice.acks = 0;
    slice.begin_cpu_us = cpu_us();
    slice.begin_ns = figures_now_ns();
}

void figures_note(uint64_t latency_ns)
{
    slice.acks++;
    if (slice.sample_count < SAMPLES_MAX)
        slice.samples[slice.sample_count++] =
            latency_ns < UINT32_MAX ? (uint32_t)latency_ns : UINT32_MAX;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

struct figures figures_end(uint32_t size_bytes)
{
    double seconds = (double)(figures_now_ns() - slice.begin_ns) / 1e9;
    double used_us = cpu_us() - slice.begin_cpu_us;
    double acks = (double)slice.acks;
    struct figures figures = {
        .acks_per_s = acks / seconds,
        .mb_per_s = acks * size_bytes / seconds / 1e6,
        .cpu_us_per_ack = slice.acks > 0 ? used_us / acks : 0,
    };

    if (slice.sample_count == 0)
        return figures;
    qsort(slice.samples, slice.sample_count, sizeof(slice.samples[0]), compare_u32);
    figures.p50_us = slice.samples[slice.sample_count / 2] / 1e3;
    figures.p99_us = slice.samples[(uint64_t)slice.sample_count * 99 / 100] / 1e3;
    return figures;
}

void figures_print(const char *what, const char *who, uint32_t block, const struct figures *figures)
{
    printf("{\"case\":\"%s\",\"who\":\"%s\",\"block\":%" PRIu32 ",\"acks_per_s\":%.1f,"
           "\"mb_per_s\":%.2f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"cpu_us_per_ack\":%.2f}\n",
           what, who, block, figures->acks_per_s, figures->mb_per_s, figures->p50_us,
           figures->p99_us, figures->cpu_us_per_ack);
    fflush(stdout);
}

void figures_must(enum err err, const char *what)
{
    if (err == OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, err_text(err));
    exit(1);
}
