/* bench_append: durable appends through the storage layer, beside the smallest honest durable loop.
 *
 *     bench_append floor DIRECTORY [BLOCKS] [SLICE_MS] [CASE]
 *     bench_append partitions DIRECTORY [BLOCKS] [SLICE_MS] [CASE]
 *     bench_append backends DIRECTORY [BLOCKS] [SLICE_MS] [CASE]
 *
 * floor: 1, 16 and 256 appenders of 1 KiB and 64 KiB (CASE: only "16 x 1 KiB"); in each block
 * floor, levee, levee, floor.
 * partitions: 256 appenders of 1 KiB to 1, 100, 1,000 and 10,000 partitions, each a store in a
 * directory of its own, in which each has been written to before; in each block upwards, then
 * downwards.
 * backends: the same store on the plain I/O backend beside the one on the ring; in each block ring,
 * plain, plain, ring.
 * A block is one comparison: the disk
 * of one minute is not that of the next.  Prints a line of JSON for each slice; bench/run.py makes
 * the table.  DIRECTORY must not exist; its files are left to the caller to remove. */
#include "base/check.h"
#include "bench/bench_floor.h"
#include "bench/bench_store.h"
#include "record/batch_builder.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static uint32_t block_count = 5;
static uint64_t slice_ns = 400000000;
static const char *only_case; /* NULL: all */

/* One record in a batch of exactly size_bytes. */
static void build_batch(struct batch_builder *builder, uint32_t size_bytes,
                        const uint8_t **batch_out)
{
    static uint8_t value[64 << 10];
    struct batch_builder_options options = batch_builder_options_default();
    int32_t value_bytes = (int32_t)size_bytes - BATCH_HEADER_BYTES - 8;
    uint32_t built_bytes = 0;

    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)(i * 2654435761U >> 13);
    batch_builder_init(builder, &options);
    for (; built_bytes != size_bytes; value_bytes -= (int32_t)(built_bytes - size_bytes)) {
        batch_builder_reset(builder, &options);
        figures_must(batch_builder_add_pair(builder, NULL, -1, value, value_bytes, 1), "record");
        figures_must(batch_builder_finish(builder, NULL, batch_out, &built_bytes), "batch");
        if (built_bytes == size_bytes)
            break;
    }
}

static void compare_with_floor(const char *dir)
{
    static const uint32_t appender_counts[] = {1, 16, 256};
    static const uint32_t sizes[] = {1 << 10, 64 << 10};
    char path[4096];
    struct floor_loop *floor = floor_open(dir);
    struct bench_store *store;

    snprintf(path, sizeof(path), "%s/store", dir);
    store = bench_store_open(path, 1, IO_WANTED_RING);
    for (uint32_t s = 0; s < array_count(sizes); s++) {
        struct batch_builder builder;
        const uint8_t *batch;
        build_batch(&builder, sizes[s], &batch);
        (void)bench_store_run(store, 16, batch, sizes[s], 2 * slice_ns); /* warm */
        for (uint32_t c = 0; c < array_count(appender_counts); c++) {
            char name[64];
            snprintf(name, sizeof(name), "%" PRIu32 " x %" PRIu32 " KiB", appender_counts[c],
                     sizes[s] >> 10);
            if (only_case != NULL && strcmp(only_case, name) != 0)
                continue;
            for (uint32_t i = 0; i < block_count * 4; i++) {
                bool ours = i % 4 == 1 || i % 4 == 2;
                struct figures figures =
                    ours ? bench_store_run(store, appender_counts[c], batch, sizes[s], slice_ns)
                         : floor_run(floor, appender_counts[c], batch, sizes[s], slice_ns);
                figures_print(name, ours ? "levee" : "floor", i / 4, &figures);
            }
        }
        batch_builder_deinit(&builder);
    }
    bench_store_close(store);
    floor_close(floor);
}

static void compare_partitions(const char *dir)
{
    static const uint32_t counts[] = {1, 100, 1000, 10000};
    enum { APPENDERS = 256, SIZE = 1 << 10, COUNTS = array_count(counts) };
    struct bench_store *stores[COUNTS] = {NULL};
    struct batch_builder builder;
    const uint8_t *batch;

    build_batch(&builder, SIZE, &batch);
    for (uint32_t i = 0; i < COUNTS; i++) {
        char path[4096];
        if (only_case != NULL && (uint32_t)atoi(only_case) != counts[i])
            continue;
        snprintf(path, sizeof(path), "%s/store-%" PRIu32, dir, counts[i]);
        stores[i] = bench_store_open(path, counts[i], IO_WANTED_RING);
        bench_store_warm(stores[i], batch, SIZE);
        (void)bench_store_run(stores[i], APPENDERS, batch, SIZE, slice_ns);
    }
    for (uint32_t i = 0; i < block_count * COUNTS * 2; i++) {
        uint32_t step = i % (COUNTS * 2);
        uint32_t at = step < COUNTS ? step : COUNTS * 2 - 1 - step;
        char name[32];
        struct figures figures;
        if (stores[at] == NULL)
            continue;
        figures = bench_store_run(stores[at], APPENDERS, batch, SIZE, slice_ns);
        snprintf(name, sizeof(name), "%" PRIu32, counts[at]);
        figures_print(name, "levee", i / (COUNTS * 2), &figures);
    }
    for (uint32_t i = 0; i < COUNTS; i++)
        if (stores[i] != NULL)
            bench_store_close(stores[i]);
    batch_builder_deinit(&builder);
}

static struct bench_store *open_on(const char *dir, const char *name, enum io_wanted wanted)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return bench_store_open(path, 1, wanted);
}

static void compare_backends(const char *dir)
{
    static const struct {
        uint32_t appenders;
        uint32_t size;
    } cases[] = {{1, 1 << 10}, {64, 1 << 10}, {16, 64 << 10}};
    struct bench_store *ring = open_on(dir, "ring", IO_WANTED_RING);
    struct bench_store *plain = open_on(dir, "plain", IO_WANTED_PLAIN);

    for (uint32_t c = 0; c < array_count(cases); c++) {
        struct batch_builder builder;
        const uint8_t *batch;
        char name[64];
        snprintf(name, sizeof(name), "%" PRIu32 " x %" PRIu32 " KiB", cases[c].appenders,
                 cases[c].size >> 10);
        if (only_case != NULL && strcmp(only_case, name) != 0)
            continue;
        build_batch(&builder, cases[c].size, &batch);
        (void)bench_store_run(ring, 16, batch, cases[c].size, slice_ns);
        (void)bench_store_run(plain, 16, batch, cases[c].size, slice_ns);
        for (uint32_t i = 0; i < block_count * 4; i++) {
            bool on_plain = i % 4 == 1 || i % 4 == 2;
            struct figures figures = bench_store_run(on_plain ? plain : ring, cases[c].appenders,
                                                     batch, cases[c].size, slice_ns);
            figures_print(name, on_plain ? "plain" : "ring", i / 4, &figures);
        }
        batch_builder_deinit(&builder);
    }
    bench_store_close(ring);
    bench_store_close(plain);
}

int main(int argc, char **argv)
{
    void (*compare)(const char *dir) = NULL;

    if (argc >= 3)
        compare = strcmp(argv[1], "floor") == 0        ? compare_with_floor
                  : strcmp(argv[1], "partitions") == 0 ? compare_partitions
                  : strcmp(argv[1], "backends") == 0   ? compare_backends
                                                       : NULL;
    if (compare == NULL) {
        fprintf(stderr, "usage: bench_append floor|partitions|backends DIRECTORY [BLOCKS] "
                        "[SLICE_MS] [CASE]\n");
        return 2;
    }
    if (argc > 3)
        block_count = (uint32_t)atoi(argv[3]);
    if (argc > 4)
        slice_ns = (uint64_t)atoi(argv[4]) * 1000000;
    if (argc > 5)
        only_case = argv[5];
    if (mkdir(argv[2], 0755) != 0) {
        perror(argv[2]);
        return 1;
    }
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* as broker/serve.c does */
    mallopt(M_TRIM_THRESHOLD, 128 << 20);
    compare(argv[2]);
    return 0;
}
