#include "tests/support/journal_rig.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>

static uint64_t rig_mono_ns(struct clock *clock)
{
    return container_of(clock, struct journal_rig, clock)->now_ns;
}

static int64_t rig_wall_ms(struct clock *clock)
{
    return 0;
}

static void on_written(void *context, uint64_t sequence)
{
    struct journal_rig *rig = context;

    check(sequence > rig->written);
    rig->written = sequence;
}

static void on_committed(void *context, uint64_t sequence)
{
    struct journal_rig *rig = context;

    check(sequence > rig->committed && sequence <= rig->written); /* JRN-1, JRN-2 */
    check(rig->failed_count == 0);                                /* JRN-4 */
    rig->committed = sequence;
    rig->commit_count++;
}

static void on_room(void *context)
{
    ((struct journal_rig *)context)->room_count++;
}

static void on_half_full(void *context)
{
    ((struct journal_rig *)context)->half_count++;
}

static void on_failed(void *context, enum err err)
{
    struct journal_rig *rig = context;

    rig->failed_count++;
    rig->failed = err;
}

static void on_stopped(void *context)
{
    ((struct journal_rig *)context)->stopped_count++;
}

void journal_rig_init(struct journal_rig *rig)
{
    *rig = (struct journal_rig){.now_ns = 1000000000};
    fake_io_init(&rig->fake);
    rig->clock = (struct clock){.mono_ns = rig_mono_ns, .wall_ms = rig_wall_ms};
    loop_init(&rig->loop, 0, &rig->fake.io, &rig->clock);
    slab_init(&rig->slab, 64 << 20);
    rig->options = (struct journal_options){
        .dir = JOURNAL_RIG_DIR,
        .recovery_epoch = 1,
        .first_sequence = 1,
        .salt = 0x1234567890abcdef,
        .extent_bytes = 64 << 10,
        .max_bytes = 256 << 10,
        .group_max_bytes = 32 << 10,
        .second_in_flight_bytes = 16 << 10,
        .pending_max_bytes = 128 << 10,
        .slab = &rig->slab,
    };
}

void journal_rig_deinit(struct journal_rig *rig)
{
    loop_deinit(&rig->loop);
    slab_deinit(&rig->slab);
    check(rig->fake.open_count == 0);
    fake_io_deinit(&rig->fake);
}

void journal_rig_open(struct journal_rig *rig)
{
    static const struct journal_events events = {
        .on_written = on_written,
        .on_committed = on_committed,
        .on_room = on_room,
        .on_half_full = on_half_full,
        .on_failed = on_failed,
    };

    rig->written = rig->options.first_sequence - 1;
    rig->committed = rig->options.first_sequence - 1;
    check(journal_open(&rig->loop, &rig->options, &events, rig, &rig->journal) == OK);
}

void journal_rig_close(struct journal_rig *rig)
{
    memset(rig->fake.hold, 0, sizeof(rig->fake.hold));
    while (rig->fake.op_count > 0)
        fake_io_complete(&rig->fake, 0);
    rig->stopped_count = 0;
    journal_stop(rig->journal, on_stopped, rig);
    for (uint32_t i = 0; i < 1000 && rig->stopped_count == 0; i++)
        journal_rig_turn(rig, 1);
    check(rig->stopped_count == 1);
    check(journal_is_idle(rig->journal));
    journal_close(rig->journal);
    rig->journal = NULL;
}

void journal_rig_fill(uint8_t *payload, uint32_t size_bytes, int32_t partition, int64_t offset)
{
    for (uint32_t i = 0; i < size_bytes; i++)
        payload[i] = (uint8_t)((uint64_t)partition * 31 + (uint64_t)offset * 7 + i * 13 + i / 251);
}

struct uuid journal_rig_topic(void)
{
    return (struct uuid){.bytes = "topic of the rig"};
}

enum err journal_rig_try(struct journal_rig *rig, int32_t partition, int64_t offset,
                         uint32_t payload_bytes, bool relaxed, uint64_t *sequence_out)
{
    struct journal_entry entry = {
        .topic_id = journal_rig_topic(),
        .partition = partition,
        .kind = JOURNAL_APPEND,
        .offset = offset,
        .end_offset = offset + 1,
        .segment_base_offset = 0,
        .pos = (uint64_t)offset * 100,
        .prefix_bytes = payload_bytes / 8,
        .payload_bytes = payload_bytes - payload_bytes / 8,
    };
    uint8_t *bytes = mem_alloc(payload_bytes);
    struct iovec vec[2] = {
        {.iov_base = bytes, .iov_len = payload_bytes / 3},
        {.iov_base = bytes + payload_bytes / 3, .iov_len = payload_bytes - payload_bytes / 3},
    };
    uint8_t *payload = NULL;
    struct buf *buf = NULL;
    enum err err;

    journal_rig_fill(bytes, payload_bytes, partition, offset);
    err = journal_append(rig->journal, &entry, vec, 2, relaxed, &buf, &payload, sequence_out);
    if (!err) {
        check(memcmp(payload, bytes + entry.prefix_bytes, entry.payload_bytes) == 0);
        check(payload >= buf->bytes &&
              payload + entry.payload_bytes <= buf->bytes + buf->capacity_bytes);
    }
    mem_free(bytes);
    return err;
}

uint64_t journal_rig_append(struct journal_rig *rig, int32_t partition, int64_t offset,
                            uint32_t payload_bytes)
{
    uint64_t sequence = 0;

    check(journal_rig_try(rig, partition, offset, payload_bytes, false, &sequence) == OK);
    return sequence;
}

void journal_rig_turn(struct journal_rig *rig, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        check(loop_turn(&rig->loop, 0) == OK);
}

void journal_rig_settle(struct journal_rig *rig)
{
    uint32_t quiet = 0;

    for (uint32_t i = 0; i < 10000 && quiet < 3; i++) {
        journal_rig_turn(rig, 1);
        quiet = rig->fake.op_count == 0 && list_is_empty(&rig->fake.io.completed) &&
                        list_is_empty(&rig->loop.deferred)
                    ? quiet + 1
                    : 0;
    }
    check(quiet == 3);
}
