/* bench_store: the storage of one shard, driven as a broker drives it, without a network.
 *
 * Directory, marks, journal, logs and segment writing are the product's; appenders take the place
 * of connections: each checks its batch's CRC-32C, appends it as a leader, and goes on when its
 * offset is durable and published. */
#ifndef LEVEE_BENCH_BENCH_STORE_H
#define LEVEE_BENCH_BENCH_STORE_H

#include "base/io_choose.h"
#include "bench/bench_figures.h"

struct bench_store;

/* A new directory dir with so many partitions, on the ring or the plain backend; running.  Ends the
 * process with a line on failure. */
struct bench_store *bench_store_open(const char *dir, uint32_t partition_count,
                                     enum io_wanted wanted);

/* appender_count (at most 256) appenders in a closed loop, one append of size_bytes under way each,
 * to a partition drawn for each append.  Checkpoints and segment writing go on as they come; what
 * is on its way at the end is waited for, and does not count. */
struct figures bench_store_run(struct bench_store *bench, uint32_t appender_count,
                               const uint8_t *batch, uint32_t size_bytes, uint64_t duration_ns);

/* One append to each partition, and a checkpoint: the files that a first append makes are there. */
void bench_store_warm(struct bench_store *bench, const uint8_t *batch, uint32_t size_bytes);

/* Stop in order; the files stay. */
void bench_store_close(struct bench_store *bench);

#endif
