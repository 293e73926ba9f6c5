/* journal_rig: a journal over a fake_io, its events remembered, and appends of one line. */
#ifndef LEVEE_TESTS_JOURNAL_RIG_H
#define LEVEE_TESTS_JOURNAL_RIG_H

#include "base/loop.h"
#include "storage/journal/journal.h"
#include "tests/support/fake_io.h"

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_RIG_DIR "dir"

struct journal_rig {
    struct fake_io fake;
    struct clock clock;
    uint64_t now_ns; /* of the clock */
    struct loop loop;
    struct slab slab;
    struct journal_options options; /* may be changed before journal_rig_open */
    struct journal *journal;
    /* events */
    uint64_t written;
    uint64_t committed;
    uint32_t commit_count;
    uint32_t room_count;
    uint32_t half_count;
    uint32_t failed_count;
    enum err failed;
    uint32_t stopped_count;
};

/* Extents of 64 KiB, together 256 KiB; groups of at most 32 KiB. */
void journal_rig_init(struct journal_rig *rig);
void journal_rig_deinit(struct journal_rig *rig);

void journal_rig_open(struct journal_rig *rig);

/* Stop and close, completing what is held. */
void journal_rig_close(struct journal_rig *rig);

/* Payload bytes that depend on partition and offset. */
void journal_rig_fill(uint8_t *payload, uint32_t size_bytes, int32_t partition, int64_t offset);
struct uuid journal_rig_topic(void);

must_use enum err journal_rig_try(struct journal_rig *rig, int32_t partition, int64_t offset,
                                  uint32_t payload_bytes, bool relaxed, uint64_t *sequence_out);

/* It must succeed; returns the sequence. */
uint64_t journal_rig_append(struct journal_rig *rig, int32_t partition, int64_t offset,
                            uint32_t payload_bytes);

/* That many turns of the loop, without waiting. */
void journal_rig_turn(struct journal_rig *rig, uint32_t count);

/* Turns until nothing happens any more; nothing may be held. */
void journal_rig_settle(struct journal_rig *rig);

#endif
