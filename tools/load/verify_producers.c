#include "tools/load/verify_producers.h"

#include "base/check.h"
#include "base/mem.h"
#include "tools/load/verify_partition.h"

#include <inttypes.h>

enum err verify_producers_create(struct verify_producers **out)
{
    struct verify_producers *producers = mem_try_alloc(sizeof(*producers));

    if (producers == NULL)
        return ERR_NOMEM;
    hash_map_init(&producers->map, 0);
    list_init(&producers->open);
    *out = producers;
    return OK;
}

void verify_producers_destroy(struct verify_producers *producers)
{
    struct verify_producer *producer;
    size_t cursor = 0;

    if (producers == NULL)
        return;
    while ((producer = hash_map_next(&producers->map, &cursor)) != NULL) {
        mem_free(producer->pieces);
        mem_free(producer);
    }
    hash_map_deinit(&producers->map);
    mem_free(producers);
}

/* ---- who it is */

/* NULL and OK: one more than are looked at. */
static enum err find_or_add(struct verify_partition *partition, const struct batch_header *header,
                            struct verify_producer **out)
{
    struct verify_producers *producers = partition->producers;
    struct verify_producer *producer =
        hash_map_find(&producers->map, &header->producer_id, sizeof(header->producer_id));

    *out = producer;
    if (producer != NULL)
        return OK;
    if (hash_map_count(&producers->map) >= partition->options.producers_max) {
        partition->producers_left_out++;
        return OK;
    }
    producer = mem_try_alloc(sizeof(*producer));
    if (producer == NULL)
        return ERR_NOMEM;
    producer->id = header->producer_id;
    producer->epoch = BATCH_NO_PRODUCER_EPOCH;
    producer->last_sequence = BATCH_NO_SEQUENCE;
    producer->open_offset = -1;
    producer->coordinator_epoch = -1;
    if (hash_map_insert(&producers->map, &producer->id, sizeof(producer->id), producer) != OK) {
        mem_free(producer);
        return ERR_NOMEM;
    }
    partition->producers_count++;
    *out = producer;
    return OK;
}

int64_t verify_producers_first_open(const struct verify_producers *producers)
{
    return list_is_empty(&producers->open)
               ? -1
               : list_first(&producers->open, struct verify_producer, node)->open_offset;
}

/* ---- what belongs to an open transaction */

static enum err add_piece(struct verify_producer *producer, uint64_t stripe,
                          const struct verify_stripe *what)
{
    struct verify_piece *last =
        producer->pieces_count == 0 ? NULL : &producer->pieces[producer->pieces_count - 1];

    if (last == NULL || last->stripe != stripe) {
        if (producer->pieces_count == producer->pieces_capacity) {
            uint32_t capacity = producer->pieces_capacity == 0 ? 1 : producer->pieces_capacity * 2;
            struct verify_piece *pieces =
                mem_try_realloc(producer->pieces, capacity * sizeof(*pieces));
            if (pieces == NULL)
                return ERR_NOMEM;
            producer->pieces = pieces;
            producer->pieces_capacity = capacity;
        }
        last = &producer->pieces[producer->pieces_count++];
        *last = (struct verify_piece){.stripe = stripe};
    }
    last->what.sum += what->sum;
    last->what.records_count += what->records_count;
    return OK;
}

static void end_transaction(struct verify_partition *partition, struct verify_producer *producer,
                            bool commit)
{
    for (uint32_t i = 0; commit && i < producer->pieces_count; i++)
        verify_stripes_add(partition->stripes, VERIFY_EXPECTED, producer->pieces[i].stripe,
                           &producer->pieces[i].what);
    partition->committed_count += commit;
    partition->aborted_count += !commit;
    producer->pieces_count = 0;
    producer->open_offset = -1;
    list_remove(&producer->node);
}

/* ---- batches */

static void check_sequence(struct verify_partition *partition, struct verify_producer *producer,
                           const struct batch_header *header)
{
    int32_t expected = batch_sequence_add(producer->last_sequence, 1);
    bool is_first = !producer->sequence_is_known;

    producer->sequence_is_known = true;
    if (header->base_sequence < 0) {
        verify_partition_find(partition, VERIFY_SEQUENCE, header->base_offset,
                              "a batch of producer %" PRId64 " has no sequence", producer->id);
        return;
    }
    if (is_first || header->base_sequence == expected)
        return;
    if (header->base_sequence < expected)
        verify_partition_find(partition, VERIFY_SEQUENCE, header->base_offset,
                              "producer %" PRId64 "/%d: sequence %d again (%d was next): stored "
                              "twice",
                              producer->id, producer->epoch, header->base_sequence, expected);
    else if (!partition->options.is_compacted)
        verify_partition_find(partition, VERIFY_SEQUENCE, header->base_offset,
                              "producer %" PRId64 "/%d: sequence %d where %d was next: something "
                              "before it is missing",
                              producer->id, producer->epoch, header->base_sequence, expected);
}

/* False: it is an older one, whose sequences say nothing. */
static bool check_epoch(struct verify_partition *partition, struct verify_producer *producer,
                        const struct batch_header *header)
{
    if (producer->epoch == header->producer_epoch)
        return true;
    if (header->producer_epoch < producer->epoch) {
        verify_partition_find(partition, VERIFY_EPOCH, header->base_offset,
                              "producer %" PRId64 ": epoch %d after epoch %d: a fenced producer "
                              "has written",
                              producer->id, header->producer_epoch, producer->epoch);
        return false;
    }
    producer->sequence_is_known =
        producer->epoch != BATCH_NO_PRODUCER_EPOCH && !partition->options.is_compacted;
    producer->epoch = header->producer_epoch;
    producer->last_sequence = BATCH_NO_SEQUENCE;
    return true;
}

/* The transaction that a batch is a part of. */
static enum err take_part(struct verify_partition *partition, struct verify_producer *producer,
                          const struct batch_header *header)
{
    struct verify_stripe what = verify_stripes_of(header);

    if (producer->open_offset < 0) {
        producer->open_offset = header->base_offset;
        producer->open_epoch = header->producer_epoch;
        list_push_back(&partition->producers->open, &producer->node);
    } else if (producer->open_epoch != header->producer_epoch && !partition->options.is_compacted) {
        verify_partition_find(partition, VERIFY_EPOCH, header->base_offset,
                              "producer %" PRId64 ": epoch %d within the transaction that began "
                              "with epoch %d at offset %" PRId64 ", without a marker between",
                              producer->id, header->producer_epoch, producer->open_epoch,
                              producer->open_offset);
        producer->open_epoch = header->producer_epoch;
    }
    if (header->base_offset >= partition->options.stable_offset)
        return OK;
    return add_piece(producer, verify_stripes_index(partition->stripes, header->base_offset),
                     &what);
}

enum err verify_producers_batch(struct verify_partition *partition,
                                const struct batch_header *header)
{
    struct verify_producer *producer;
    enum err err = find_or_add(partition, header, &producer);

    if (err != OK || producer == NULL)
        return err;
    if (check_epoch(partition, producer, header)) {
        check_sequence(partition, producer, header);
        producer->last_sequence = batch_last_sequence(header);
    }
    if (batch_is_transactional(header))
        return take_part(partition, producer, header);
    if (producer->open_offset >= 0 && !partition->options.is_compacted)
        verify_partition_find(partition, VERIFY_MARKER, header->base_offset,
                              "producer %" PRId64 ": a batch outside of its transaction, which is "
                              "open since offset %" PRId64,
                              producer->id, producer->open_offset);
    return OK;
}

enum err verify_producers_marker(struct verify_partition *partition,
                                 const struct batch_header *header,
                                 const struct control_marker *marker)
{
    struct verify_producer *producer;
    enum err err = find_or_add(partition, header, &producer);
    const char *name = marker->commit ? "COMMIT" : "ABORT";

    if (err != OK || producer == NULL)
        return err;
    if (header->producer_epoch < producer->epoch)
        verify_partition_find(partition, VERIFY_MARKER, header->base_offset,
                              "%s of producer %" PRId64 " has epoch %d, which is older than %d",
                              name, producer->id, header->producer_epoch, producer->epoch);
    if (marker->coordinator_epoch < producer->coordinator_epoch)
        verify_partition_find(partition, VERIFY_MARKER, header->base_offset,
                              "%s of producer %" PRId64 " has coordinator epoch %d after %d", name,
                              producer->id, marker->coordinator_epoch, producer->coordinator_epoch);
    producer->coordinator_epoch = marker->coordinator_epoch;
    if (header->producer_epoch > producer->epoch) {
        /* what it wrote before may have gone with the log's begin */
        producer->sequence_is_known =
            !partition->options.is_compacted &&
            (producer->epoch != BATCH_NO_PRODUCER_EPOCH || partition->options.log_start == 0);
        producer->epoch = header->producer_epoch;
        producer->last_sequence = BATCH_NO_SEQUENCE;
    }
    if (producer->open_offset >= 0)
        end_transaction(partition, producer, marker->commit);
    return OK;
}
