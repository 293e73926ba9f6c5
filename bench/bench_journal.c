/* bench_journal: append → durable, closed loop, beside the raw device in the same minute.
 *
 *     bench_journal DIRECTORY [ROUND_MS]
 *
 * C appenders, each with one append under way.  The raw loop is one blocking pwrite(2) after the
 * other with O_DIRECT | O_DSYNC into a file written before, each as large as C appends and their
 * heads together (at most a group): what the same number of acknowledgements costs at least with
 * one write in flight.  Both run in turns, five rounds; the medians are printed, and their ratio,
 * because the disk of one minute is not that of the next.  Also: how long a first opening takes,
 * and a scan of a full journal. */
#include "base/clock_system.h"
#include "base/io_system.h"
#include "base/loop.h"
#include "base/mem.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_scan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    APPENDERS_MAX = 256,
    ROUNDS = 5,
    RAW_FILE_BYTES = 64 << 20,
    GROUP_BYTES_MAX = 1 << 20,
    JOURNAL_BYTES = 256 << 20,
    SAMPLES_MAX = 1 << 20,
};

struct appender {
    uint64_t sequence;
    uint64_t since_ns;
    bool waiting; /* for room */
};

static struct {
    struct loop loop;
    struct clock clock;
    struct slab slab;
    struct journal *journal;
    struct appender appenders[APPENDERS_MAX];
    uint32_t appender_count;
    uint32_t size_bytes;
    uint64_t acks;
    uint64_t until_ns;
    uint32_t stopped;
    bool keep; /* release nothing */
} bench;

struct result {
    double acks_per_s;
    double p50_us;
    double p99_us;
};

static uint8_t *payload;
static uint32_t *samples; /* latencies, ns */
static uint32_t sample_count;

static uint64_t now_ns(void)
{
    return clock_mono_ns(&bench.clock);
}

static void must(enum err err, const char *what)
{
    if (err == OK)
        return;
    fprintf(stderr, "bench_journal: %s: %s\n", what, err_text(err));
    exit(1);
}

static void note(uint64_t ns)
{
    if (sample_count < SAMPLES_MAX)
        samples[sample_count++] = (uint32_t)ns;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static struct result result_of(uint64_t acks, uint64_t ns)
{
    qsort(samples, sample_count, sizeof(*samples), compare_u32);
    return (struct result){
        .acks_per_s = (double)acks * 1e9 / (double)ns,
        .p50_us = sample_count > 0 ? samples[sample_count / 2] / 1e3 : 0,
        .p99_us = sample_count > 0 ? samples[(uint64_t)sample_count * 99 / 100] / 1e3 : 0,
    };
}

/* ---- the journal */

static void append(struct appender *appender)
{
    struct journal_entry entry = {.kind = JOURNAL_APPEND, .payload_bytes = bench.size_bytes};
    struct iovec vec = {.iov_base = payload, .iov_len = bench.size_bytes};
    enum err err =
        journal_append(bench.journal, &entry, &vec, 1, false, NULL, NULL, &appender->sequence);

    appender->waiting = err != OK;
    if (err != OK && err != ERR_FULL)
        must(err, "append");
}

static void on_committed(void *context, uint64_t sequence)
{
    uint64_t now = now_ns();

    for (uint32_t i = 0; i < bench.appender_count; i++) {
        struct appender *appender = &bench.appenders[i];
        if (appender->waiting || appender->sequence == 0 || appender->sequence > sequence)
            continue;
        note(now - appender->since_ns);
        bench.acks++;
        appender->sequence = 0;
        appender->since_ns = now;
        if (now < bench.until_ns)
            append(appender);
    }
}

static void on_room(void *context)
{
    for (uint32_t i = 0; i < bench.appender_count; i++) {
        if (bench.appenders[i].waiting)
            append(&bench.appenders[i]);
    }
}

static void on_half_full(void *context)
{
    if (!bench.keep)
        journal_release(bench.journal, journal_committed_sequence(bench.journal));
}

static void on_failed(void *context, enum err err)
{
    must(err, "journal");
}

static void on_stopped(void *context)
{
    bench.stopped++;
}

static void open_journal(const char *dir, struct slab *slab)
{
    static const struct journal_events events = {
        .on_committed = on_committed,
        .on_room = on_room,
        .on_half_full = on_half_full,
        .on_failed = on_failed,
    };
    static uint32_t epoch;
    struct journal_options options = {
        .dir = dir,
        .recovery_epoch = ++epoch,
        .first_sequence = 1,
        .salt = now_ns(),
        .extent_bytes = 16 << 20,
        .max_bytes = JOURNAL_BYTES,
        .group_max_bytes = GROUP_BYTES_MAX,
        .second_in_flight_bytes = 256 << 10,
        .pending_max_bytes = 64 << 20,
        .slab = slab,
    };

    must(journal_open(&bench.loop, &options, &events, NULL, &bench.journal), "open");
}

static void turn(void)
{
    must(loop_turn(&bench.loop, 1000000000), "loop");
}

static void close_journal(void)
{
    bench.stopped = 0;
    journal_stop(bench.journal, on_stopped, NULL);
    while (bench.stopped == 0)
        turn();
    journal_close(bench.journal);
    bench.journal = NULL;
}

static struct result run_journal(uint32_t appender_count, uint32_t size_bytes, uint64_t round_ns)
{
    uint64_t begin = now_ns();

    bench.appender_count = appender_count;
    bench.size_bytes = size_bytes;
    bench.acks = 0;
    bench.until_ns = begin + round_ns;
    sample_count = 0;
    for (uint32_t i = 0; i < appender_count; i++) {
        bench.appenders[i] = (struct appender){.since_ns = begin};
        append(&bench.appenders[i]);
    }
    while (now_ns() < bench.until_ns)
        turn();
    begin = now_ns() - begin;
    while (!journal_is_idle(bench.journal))
        turn();
    return result_of(bench.acks, begin);
}

/* ---- the device */

static int open_raw(const char *dir)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/raw", dir);
    fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_DSYNC, 0644);
    if (fd < 0) {
        perror(path);
        exit(1);
    }
    for (off_t pos = 0; pos < RAW_FILE_BYTES; pos += GROUP_BYTES_MAX) {
        if (pwrite(fd, payload, GROUP_BYTES_MAX, pos) != GROUP_BYTES_MAX)
            must(ERR_IO, "raw file");
    }
    return fd;
}

static struct result run_raw(int fd, uint32_t appender_count, uint32_t size_bytes,
                             uint64_t round_ns)
{
    uint64_t begin = now_ns();
    uint64_t until = begin + round_ns;
    uint64_t acks = 0;
    uint64_t entry_bytes = size_bytes + JOURNAL_ENTRY_HEAD_BYTES;
    uint64_t per_write = (GROUP_BYTES_MAX - JOURNAL_GROUP_HEAD_BYTES) / entry_bytes;
    uint64_t write_bytes;
    uint64_t pos = 0;

    if (per_write > appender_count)
        per_write = appender_count;
    write_bytes = journal_format_round_up(JOURNAL_GROUP_HEAD_BYTES + per_write * entry_bytes);
    sample_count = 0;
    for (uint64_t start = begin; start < until;) {
        uint64_t end;
        if (pos + write_bytes > RAW_FILE_BYTES)
            pos = 0;
        if (pwrite(fd, payload, write_bytes, (off_t)pos) != (ssize_t)write_bytes)
            must(ERR_IO, "raw write");
        pos += write_bytes;
        acks += per_write;
        end = now_ns();
        note(end - start);
        start = end;
    }
    return result_of(acks, now_ns() - begin);
}

static int compare_double(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static double median(const struct result *results, size_t at)
{
    double values[ROUNDS];

    for (uint32_t i = 0; i < ROUNDS; i++)
        values[i] = *(const double *)(const void *)((const char *)&results[i] + at);
    qsort(values, ROUNDS, sizeof(double), compare_double);
    return values[ROUNDS / 2];
}

static void compare(int raw_fd, uint32_t appender_count, uint32_t size_bytes, uint64_t round_ns)
{
    struct result journal[ROUNDS];
    struct result raw[ROUNDS];
    double acks;
    double raw_acks;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        raw[i] = run_raw(raw_fd, appender_count, size_bytes, round_ns);
        journal[i] = run_journal(appender_count, size_bytes, round_ns);
    }
    acks = median(journal, offsetof(struct result, acks_per_s));
    raw_acks = median(raw, offsetof(struct result, acks_per_s));
    printf("%3" PRIu32 " x %6" PRIu32 " B  journal %8.0f acks/s %7.1f MB/s p50 %7.0f p99 %7.0f us"
           "   raw %8.0f acks/s p50 %7.0f us   ratio %.2f\n",
           appender_count, size_bytes, acks, acks * size_bytes / 1e6,
           median(journal, offsetof(struct result, p50_us)),
           median(journal, offsetof(struct result, p99_us)), raw_acks,
           median(raw, offsetof(struct result, p50_us)), acks / raw_acks);
    fflush(stdout);
}

/* ---- opening and scanning */

static void remove_journal(const char *dir)
{
    must(journal_remove_others(bench.loop.io, dir, 0), "remove");
}

static void time_first_opening(const char *dir)
{
    double ms[ROUNDS];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t begin;
        remove_journal(dir);
        begin = now_ns();
        open_journal(dir, &bench.slab);
        ms[i] = (double)(now_ns() - begin) / 1e6;
        close_journal();
    }
    qsort(ms, ROUNDS, sizeof(double), compare_double);
    printf("first opening, 4 MiB of zeros: %.1f ms (%.1f .. %.1f)\n", ms[ROUNDS / 2], ms[0],
           ms[ROUNDS - 1]);
}

static void time_scan(const char *dir, uint32_t size_bytes)
{
    struct slab slab;
    struct journal_scan *scan;
    double ms[ROUNDS];
    const struct journal_scan_stats *stats;
    struct iovec vec = {.iov_base = payload, .iov_len = size_bytes};
    struct journal_entry entry = {.kind = JOURNAL_APPEND, .payload_bytes = size_bytes};
    uint64_t made_bytes = 0;

    remove_journal(dir);
    slab_init(&slab, 1ULL << 30);
    bench.appender_count = 0;
    bench.keep = true;
    open_journal(dir, &slab);
    while (made_bytes < JOURNAL_BYTES - (20 << 20)) {
        enum err err = journal_append(bench.journal, &entry, &vec, 1, false, NULL, NULL, NULL);
        if (err != OK && err != ERR_FULL)
            must(err, "append");
        made_bytes += err == OK ? size_bytes : 0;
        if (err != OK)
            turn();
    }
    close_journal();
    bench.keep = false;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t begin = now_ns();
        must(journal_scan_open(bench.loop.io, dir, NULL, &slab, 0, &scan), "scan");
        ms[i] = (double)(now_ns() - begin) / 1e6;
        stats = journal_scan_stats(scan);
        if (i == 0)
            printf("scan of %" PRIu32 " B entries: %.0f MB, %" PRIu64 " entries, ", size_bytes,
                   (double)stats->bytes / 1e6, stats->entries);
        journal_scan_close(scan);
    }
    qsort(ms, ROUNDS, sizeof(double), compare_double);
    printf("%.0f ms (%.0f .. %.0f)\n", ms[ROUNDS / 2], ms[0], ms[ROUNDS - 1]);
    slab_deinit(&slab);
}

int main(int argc, char **argv)
{
    static const uint32_t appender_counts[] = {1, 16, 256};
    static const uint32_t sizes[] = {1 << 10, 64 << 10};
    uint64_t round_ns = (argc > 2 ? (uint64_t)atoi(argv[2]) : 1000) * 1000000;
    char raw_path[4096];
    struct io *io;
    int raw_fd;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_journal DIRECTORY [ROUND_MS]\n");
        return 2;
    }
    /* memory that was given back stays with the process, as in a broker: first touches of pages
     * would cost more than the journal */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 512 << 20);
    (void)mkdir(argv[1], 0755);
    payload = mem_try_alloc_aligned(IO_ALIGN, GROUP_BYTES_MAX);
    samples = mem_alloc(SAMPLES_MAX * sizeof(*samples));
    memset(payload, 0x42, GROUP_BYTES_MAX);
    clock_system_init(&bench.clock);
    must(io_uring_create(&(struct io_uring_options){0}, &io), "ring");
    loop_init(&bench.loop, 0, io, &bench.clock);
    slab_init(&bench.slab, 256 << 20);

    time_first_opening(argv[1]);
    raw_fd = open_raw(argv[1]);
    remove_journal(argv[1]);
    open_journal(argv[1], &bench.slab);
    (void)run_journal(16, 64 << 10, round_ns); /* the extents grow */
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t c = 0; c < 3; c++)
            compare(raw_fd, appender_counts[c], sizes[s], round_ns);
    }
    close_journal();
    time_scan(argv[1], 1 << 10);
    time_scan(argv[1], 64 << 10);
    remove_journal(argv[1]);
    close(raw_fd);
    snprintf(raw_path, sizeof(raw_path), "%s/raw", argv[1]);
    unlink(raw_path);
    slab_deinit(&bench.slab);
    loop_deinit(&bench.loop);
    io->v->destroy(io);
    mem_free(payload);
    mem_free(samples);
    return 0;
}
