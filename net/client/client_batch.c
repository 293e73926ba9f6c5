#include "net/client/client_batch.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>

enum {
    TOKENS_FIRST = 64,
    TOKEN_BYTES = sizeof(uint64_t),
    RECORD_BYTES_MIN = 7, /* lengths of nothing */
};

/* ---- the pool */

void client_batch_pool_init(struct client_batch_pool *pool, uint64_t max_bytes,
                            uint32_t batch_bytes)
{
    *pool = (struct client_batch_pool){.max_bytes = max_bytes, .batch_bytes = batch_bytes};
    list_init(&pool->free);
}

static uint64_t cost_bytes(const struct client_batch *batch)
{
    return sizeof(*batch) + batch->capacity_bytes + (uint64_t)batch->tokens_capacity * TOKEN_BYTES;
}

static void release(struct client_batch *batch)
{
    mem_free(batch->tokens);
    mem_free(batch->bytes);
    mem_free(batch);
}

static void drop_free(struct client_batch_pool *pool)
{
    struct client_batch *batch = list_first(&pool->free, struct client_batch, node);

    list_remove(&batch->node);
    pool->free_bytes -= cost_bytes(batch);
    release(batch);
}

void client_batch_pool_deinit(struct client_batch_pool *pool)
{
    check(pool->used_bytes == 0);
    while (pool->free.next != NULL && !list_is_empty(&pool->free))
        drop_free(pool);
}

/* CBA-2: room for so much more, at the cost of free batches. */
static bool make_room(struct client_batch_pool *pool, uint64_t wanted_bytes)
{
    if (pool->used_bytes > 0 && pool->used_bytes + wanted_bytes > pool->max_bytes)
        return false;
    while (!list_is_empty(&pool->free) &&
           pool->used_bytes + pool->free_bytes + wanted_bytes > pool->max_bytes)
        drop_free(pool);
    return true;
}

static struct client_batch *make(uint32_t capacity_bytes)
{
    struct client_batch *batch = mem_try_alloc(sizeof(*batch));

    if (batch == NULL)
        return NULL;
    batch->bytes = mem_try_alloc_aligned(64, capacity_bytes);
    batch->tokens = mem_try_alloc(TOKENS_FIRST * TOKEN_BYTES);
    batch->capacity_bytes = capacity_bytes;
    batch->tokens_capacity = TOKENS_FIRST;
    if (batch->bytes != NULL && batch->tokens != NULL)
        return batch;
    release(batch);
    return NULL;
}

static struct client_batch *from_free(struct client_batch_pool *pool)
{
    struct client_batch *batch = list_first(&pool->free, struct client_batch, node);
    struct client_batch kept = *batch;

    list_remove(&batch->node);
    pool->free_bytes -= cost_bytes(batch);
    *batch = (struct client_batch){.bytes = kept.bytes,
                                   .tokens = kept.tokens,
                                   .capacity_bytes = kept.capacity_bytes,
                                   .tokens_capacity = kept.tokens_capacity};
    return batch;
}

uint64_t client_batch_cost_bytes(uint64_t records_bytes)
{
    return sizeof(struct client_batch) + BATCH_HEADER_BYTES + records_bytes +
           TOKENS_FIRST * TOKEN_BYTES;
}

struct client_batch *client_batch_take(struct client_batch_pool *pool, uint32_t record_bytes,
                                       bool is_forced)
{
    uint32_t needed_bytes = BATCH_HEADER_BYTES + record_bytes;
    uint32_t capacity_bytes = needed_bytes > pool->batch_bytes ? needed_bytes : pool->batch_bytes;
    struct client_batch *batch;
    uint64_t wanted_bytes = sizeof(*batch) + capacity_bytes + TOKENS_FIRST * TOKEN_BYTES;

    if (capacity_bytes == pool->batch_bytes && !list_is_empty(&pool->free))
        batch = from_free(pool);
    else if (make_room(pool, wanted_bytes) || is_forced)
        batch = make(capacity_bytes);
    else
        batch = NULL;
    if (batch == NULL)
        return NULL;
    batch->is_forced = is_forced;
    batch->size_bytes = BATCH_HEADER_BYTES;
    batch->base_sequence = BATCH_NO_SEQUENCE;
    batch->producer_id = BATCH_NO_PRODUCER_ID;
    batch->producer_epoch = BATCH_NO_PRODUCER_EPOCH;
    batch->base_offset = -1;
    batch->append_time_ms = -1;
    pool->used_bytes += cost_bytes(batch);
    return batch;
}

void client_batch_give(struct client_batch_pool *pool, struct client_batch *batch)
{
    uint64_t cost;

    if (batch == NULL)
        return;
    cost = cost_bytes(batch);
    pool->used_bytes -= cost;
    if (batch->capacity_bytes == pool->batch_bytes &&
        pool->used_bytes + pool->free_bytes + cost <= pool->max_bytes) {
        list_push_front(&pool->free, &batch->node);
        pool->free_bytes += cost;
    } else {
        release(batch);
    }
}

/* ---- records in */

static enum err grow_tokens(struct client_batch *batch, struct client_batch_pool *pool)
{
    uint64_t more_bytes = (uint64_t)batch->tokens_capacity * TOKEN_BYTES;
    uint64_t *larger;

    if (!make_room(pool, more_bytes) && !batch->is_forced)
        return ERR_FULL;
    larger = mem_try_realloc(batch->tokens, (size_t)more_bytes * 2);
    if (larger == NULL)
        return ERR_FULL;
    batch->tokens = larger;
    batch->tokens_capacity *= 2;
    pool->used_bytes += more_bytes;
    return OK;
}

enum err client_batch_add(struct client_batch *batch, struct client_batch_pool *pool,
                          const struct record *record, int64_t timestamp_ms, uint64_t token)
{
    int64_t base_timestamp_ms = batch->records_count == 0 ? timestamp_ms : batch->base_timestamp_ms;
    uint32_t left_bytes = batch->capacity_bytes - batch->size_bytes;
    struct record stored = *record;
    size_t record_bytes;

    check(!batch->is_sealed); /* CBA-1 */
    if ((uint32_t)batch->records_count == batch->tokens_capacity &&
        (left_bytes < RECORD_BYTES_MIN || grow_tokens(batch, pool) != OK))
        return ERR_FULL;
    stored.offset_delta = batch->records_count;
    stored.timestamp_delta_ms = (int64_t)((uint64_t)timestamp_ms - (uint64_t)base_timestamp_ms);
    record_bytes = record_encode(&stored, batch->bytes + batch->size_bytes, left_bytes);
    if (record_bytes == 0)
        return record_size(&stored) == 0 ? ERR_INVALID : ERR_FULL;
    batch->tokens[batch->records_count++] = token;
    batch->size_bytes += (uint32_t)record_bytes;
    batch->base_timestamp_ms = base_timestamp_ms;
    if (batch->records_count == 1 || timestamp_ms > batch->max_timestamp_ms)
        batch->max_timestamp_ms = timestamp_ms;
    return OK;
}

/* ---- sealed and numbered */

enum err client_batch_seal(struct client_batch *batch, enum compression codec, int32_t level,
                           struct compression_context *context, uint8_t *scratch,
                           size_t scratch_bytes)
{
    size_t records_bytes = batch->size_bytes - BATCH_HEADER_BYTES;
    size_t made_bytes;
    enum err err;

    check(!batch->is_sealed && batch->records_count > 0);
    if (codec != COMPRESSION_NONE) {
        err = compression_compress(context, (int)codec, level, batch->bytes + BATCH_HEADER_BYTES,
                                   records_bytes, scratch, scratch_bytes, &made_bytes);
        if (err != OK && err != ERR_FULL)
            return err;
        if (err == OK && made_bytes < records_bytes) {
            memcpy(batch->bytes + BATCH_HEADER_BYTES, scratch, made_bytes);
            batch->codec = codec;
            batch->raw_bytes = batch->size_bytes;
            batch->size_bytes = BATCH_HEADER_BYTES + (uint32_t)made_bytes;
            batch->is_sealed = true;
            return OK;
        }
    }
    batch->codec = COMPRESSION_NONE;
    batch->raw_bytes = batch->size_bytes;
    batch->is_sealed = true;
    return OK;
}

void client_batch_number(struct client_batch *batch, int64_t producer_id, int16_t producer_epoch,
                         int32_t base_sequence, bool is_transactional)
{
    struct batch_header header = {
        .size_bytes = batch->size_bytes,
        .leader_epoch = BATCH_NO_LEADER_EPOCH,
        .magic = BATCH_MAGIC,
        .attributes = (int16_t)((int)batch->codec | (is_transactional ? BATCH_TRANSACTIONAL : 0)),
        .last_offset_delta = batch->records_count - 1,
        .base_timestamp_ms = batch->base_timestamp_ms,
        .max_timestamp_ms = batch->max_timestamp_ms,
        .producer_id = producer_id,
        .producer_epoch = producer_epoch,
        .base_sequence = base_sequence,
        .record_count = batch->records_count,
    };

    check(batch->is_sealed);
    batch->producer_id = producer_id;
    batch->producer_epoch = producer_epoch;
    batch->base_sequence = base_sequence;
    batch_put_header(batch->bytes, &header);
    batch_set_crc(batch->bytes, batch->size_bytes);
}

/* ---- records out again */

enum err client_batch_walk_begin(struct client_batch_walk *walk, const struct client_batch *batch,
                                 struct compression_context *context)
{
    const uint8_t *records = batch->bytes + BATCH_HEADER_BYTES;
    size_t records_bytes = batch->size_bytes - BATCH_HEADER_BYTES;
    enum err err;

    *walk = (struct client_batch_walk){.batch = batch, .index = -1};
    if (batch->codec != COMPRESSION_NONE) {
        err = compression_decompress(context, (int)batch->codec, records, records_bytes,
                                     batch->raw_bytes, &walk->copy, &records_bytes);
        if (err != OK)
            return err;
        records = walk->copy;
    }
    record_walk_init(&walk->walk, records, records_bytes, batch->records_count);
    return OK;
}

bool client_batch_walk_next(struct client_batch_walk *walk, struct record *record,
                            int64_t *timestamp_ms, uint64_t *token)
{
    enum err err = record_next(&walk->walk, record);

    if (err != OK) {
        check(err == ERR_NOT_FOUND);
        return false;
    }
    walk->index++;
    *timestamp_ms =
        (int64_t)((uint64_t)walk->batch->base_timestamp_ms + (uint64_t)record->timestamp_delta_ms);
    *token = walk->batch->tokens[walk->index];
    return true;
}

void client_batch_walk_end(struct client_batch_walk *walk)
{
    mem_free(walk->copy);
    walk->copy = NULL;
}

/* ---- in two */

static void inherit(struct client_batch *part, const struct client_batch *whole, int32_t skipped)
{
    part->part = whole->part;
    part->created_ns = whole->created_ns;
    part->is_due = true;
    part->attempts_count = whole->attempts_count;
    part->serial = whole->serial;
    part->may_be_stored = whole->may_be_stored;
    part->is_half_in_doubt = whole->may_be_stored;
    if (whole->base_sequence == BATCH_NO_SEQUENCE)
        return;
    part->producer_id = whole->producer_id;
    part->producer_epoch = whole->producer_epoch;
    part->base_sequence = batch_sequence_add(whole->base_sequence, skipped);
}

enum err client_batch_split(const struct client_batch *batch, struct client_batch_pool *pool,
                            struct compression_context *context, struct client_batch **first,
                            struct client_batch **second)
{
    uint32_t records_bytes = client_batch_records_bytes(batch);
    struct client_batch *parts[2] = {client_batch_take(pool, records_bytes, true),
                                     client_batch_take(pool, records_bytes, true)};
    struct client_batch_walk walk = {0};
    struct record record;
    int64_t timestamp_ms;
    uint64_t token;
    enum err err = ERR_NOMEM;
    uint32_t into = 0;

    check(batch->records_count > 1);
    if (parts[0] != NULL && parts[1] != NULL)
        err = client_batch_walk_begin(&walk, batch, context);
    while (err == OK && client_batch_walk_next(&walk, &record, &timestamp_ms, &token)) {
        bool is_half = parts[0]->size_bytes >= BATCH_HEADER_BYTES + records_bytes / 2;

        if (parts[0]->records_count > 0 && (is_half || walk.index == batch->records_count - 1))
            into = 1;
        err = client_batch_add(parts[into], pool, &record, timestamp_ms, token);
    }
    client_batch_walk_end(&walk);
    if (err != OK) {
        client_batch_give(pool, parts[0]);
        client_batch_give(pool, parts[1]);
        return ERR_NOMEM;
    }
    inherit(parts[0], batch, 0);
    inherit(parts[1], batch, parts[0]->records_count);
    *first = parts[0];
    *second = parts[1];
    return OK;
}
