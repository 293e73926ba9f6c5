#include "tools/load/verify_stamps.h"

#include "base/hash_map.h"
#include "base/mem.h"
#include "tools/load/load_stamp.h"
#include "tools/load/verify_partition.h"

#include <inttypes.h>

/* A producer of a run, and the last stamp of it. */
struct stamp_producer {
    uint32_t key[2]; /* run, producer */
    uint32_t epoch;
    uint64_t partition_sequence;
    int64_t offset;
};

struct verify_stamp_producers {
    struct hash_map map;
};

enum err verify_stamps_init(struct verify_stamps *stamps)
{
    *stamps = (struct verify_stamps){.producers = mem_try_alloc(sizeof(*stamps->producers))};
    if (stamps->producers == NULL)
        return ERR_NOMEM;
    hash_map_init(&stamps->producers->map, 0);
    return OK;
}

void verify_stamps_deinit(struct verify_stamps *stamps)
{
    struct stamp_producer *producer;
    size_t cursor = 0;

    if (stamps->producers == NULL)
        return;
    while ((producer = hash_map_next(&stamps->producers->map, &cursor)) != NULL)
        mem_free(producer);
    hash_map_deinit(&stamps->producers->map);
    mem_free(stamps->producers);
    *stamps = (struct verify_stamps){0};
}

static struct stamp_producer *add(struct verify_stamps *stamps, const struct load_stamp *stamp,
                                  int64_t offset)
{
    struct hash_map *map = &stamps->producers->map;
    struct stamp_producer *producer =
        hash_map_count(map) < VERIFY_STAMP_PRODUCERS_MAX ? mem_try_alloc(sizeof(*producer)) : NULL;

    if (producer == NULL)
        return NULL;
    *producer = (struct stamp_producer){.key = {stamp->run, stamp->producer},
                                        .epoch = stamp->epoch,
                                        .partition_sequence = stamp->partition_sequence,
                                        .offset = offset};
    if (hash_map_insert(map, producer->key, sizeof(producer->key), producer) == OK)
        return producer;
    mem_free(producer);
    return NULL;
}

static void follow(struct stamp_producer *producer, struct verify_partition *partition,
                   const struct load_stamp *stamp, int64_t offset)
{
    bool is_same = stamp->epoch == producer->epoch &&
                   stamp->partition_sequence == producer->partition_sequence;
    bool is_later = stamp->epoch > producer->epoch ||
                    (stamp->epoch == producer->epoch &&
                     stamp->partition_sequence > producer->partition_sequence);

    if (is_same)
        verify_partition_find(partition, VERIFY_STAMP, offset,
                              "record %" PRIu64 " of producer %" PRIu32 " of run %08" PRIx32
                              " is doubled: it is at offset %" PRId64 " too",
                              stamp->sequence, stamp->producer, stamp->run, producer->offset);
    else if (!is_later)
        verify_partition_find(partition, VERIFY_STAMP, offset,
                              "record %" PRIu64 " of producer %" PRIu32 " of run %08" PRIx32
                              " is out of order, or doubled: number %" PRIu64 " of the partition "
                              "behind number %" PRIu64,
                              stamp->sequence, stamp->producer, stamp->run,
                              stamp->partition_sequence, producer->partition_sequence);
    if (!is_later)
        return;
    producer->epoch = stamp->epoch;
    producer->partition_sequence = stamp->partition_sequence;
    producer->offset = offset;
}

void verify_stamps_record(struct verify_stamps *stamps, struct verify_partition *partition,
                          const struct record *record, int64_t offset)
{
    struct stamp_producer *producer;
    struct load_stamp stamp;
    uint32_t key[2];
    enum err err;

    if (record->value_bytes < LOAD_STAMP_BYTES)
        return;
    err = load_stamp_read(record->value, (size_t)record->value_bytes, record->key,
                          record->key_bytes, &stamp);
    if (err == ERR_NOT_FOUND)
        return;
    stamps->stamps_count++;
    if (err != OK) {
        verify_partition_find(partition, VERIFY_STAMP, offset,
                              "a stamp of a load tool whose checksum is wrong");
        return;
    }
    key[0] = stamp.run;
    key[1] = stamp.producer;
    producer = hash_map_find(&stamps->producers->map, key, sizeof(key));
    if (producer != NULL)
        follow(producer, partition, &stamp, offset);
    else if (add(stamps, &stamp, offset) == NULL)
        stamps->producers_left_out++;
}
