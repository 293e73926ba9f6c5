/* Appending: producer rules, offsets, the journal, the tail (log.h; DUR-L2, DUR-I1 to DUR-I7). */
#include "storage/log/log_append.h"

#include "base/check.h"
#include "storage/log/log_check.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_roll.h"
#include "storage/log/log_transactions.h"
#include "storage/log/producer_append.h"

#include <string.h>

static enum err state_error(const struct log *log, bool urgent)
{
    const struct log_environment *env = log->env;

    if (env->state == STORE_FAILED)
        return ERR_STORAGE;
    if (log->quarantined)
        return ERR_QUARANTINED;
    if (env->state != STORE_RUNNING || env->stopping)
        return ERR_CLOSED;
    if (env->space->is_short && !log->config.reserved_space && !urgent)
        return ERR_NOSPACE;
    return OK;
}

/* The slab is at its limit: room comes at the latest when segments are written. */
static void free_memory(struct log_environment *env)
{
    log_tail_evict(env->tail_cache);
    env->events->pressed(env->context);
}

/* Indexes are needed from the first append on; the active segment may be full for this batch. */
static enum err prepare_segment(struct log *log, uint32_t size_bytes, int64_t last_offset,
                                int64_t timestamp_ms, bool urgent)
{
    enum err err = segment_load_indexes(log_active(log));

    if (err != OK)
        return err;
    if (log_must_roll(log, size_bytes, last_offset, timestamp_ms))
        err = log_roll(log, log->offsets.log_end, urgent); /* holes stand inside: a missing file is
                                                            * told apart */
    if (err == ERR_AGAIN) {
        free_memory(log->env);
        err = ERR_FULL;
    }
    return err;
}

/* A batch as it will lie on disk.  The caller's bytes are not touched. */
struct stored_batch {
    uint8_t head[BATCH_HEADER_BYTES]; /* with the stamps */
    const uint8_t *bytes;             /* the caller's; from BATCH_HEADER_BYTES on they are stored */
    struct batch_header header;       /* what head says, and the only source of what is kept */
    uint64_t owner;                   /* who brings it (producer_shares.h) */
    bool may_end;                     /* a transaction: it is a marker */
};

/* Exactly one batch in bytes, not stamped yet. */
static enum err take_batch(const uint8_t *bytes, uint32_t size_bytes, struct stored_batch *out)
{
    enum err err = batch_parse(bytes, size_bytes, &out->header);

    if (err != OK || out->header.size_bytes != size_bytes)
        return ERR_CORRUPT;
    out->bytes = bytes;
    out->owner = PRODUCER_OWNER_NONE;
    out->may_end = batch_is_control(&out->header) && batch_has_producer(&out->header);
    memcpy(out->head, bytes, sizeof(out->head));
    return OK;
}

/* The one parse.  What the checksum covers is checked again when it was changed. */
static enum err close_stamps(struct stored_batch *batch)
{
    bool changed = memcmp(batch->head + BATCH_CRC_FROM_POS, batch->bytes + BATCH_CRC_FROM_POS,
                          BATCH_HEADER_BYTES - BATCH_CRC_FROM_POS) != 0;
    enum err err = batch_parse_header(batch->head, sizeof(batch->head), &batch->header);

    if (err == OK && changed &&
        !batch_parts_crc_is_good(batch->head, batch->bytes + BATCH_HEADER_BYTES, &batch->header))
        err = ERR_CORRUPT;
    return err;
}

/* Into the journal: prefix when the block below is to be rewritten under its protection. */
static enum err journal_batch(struct log *log, const struct stored_batch *batch, bool urgent,
                              struct buf **buf_out, uint8_t **stored_out, uint64_t *sequence_out)
{
    struct segment *active = log_active(log);
    const struct batch_header *header = &batch->header;
    uint8_t prefix[STORE_BLOCK];
    struct iovec vec[3];
    uint32_t vec_count = 0;
    struct journal_entry entry = {.topic_id = log->id.topic_id,
                                  .partition = log->id.partition,
                                  .kind = JOURNAL_APPEND,
                                  .offset = header->base_offset,
                                  .end_offset = batch_last_offset(header) + 1,
                                  .segment_base_offset = active->base_offset,
                                  .pos = active->size_bytes,
                                  .payload_bytes = header->size_bytes,
                                  .owner = batch_has_producer(header)
                                               ? producer_shares_short(batch->owner)
                                               : PRODUCER_OWNER_NONE,
                                  .urgent = urgent};
    enum err err;

    if (log->prefix_pending) {
        err = log_block_prefix(log, prefix, &entry.prefix_bytes);
        if (err != OK)
            return err;
        vec[vec_count++] = (struct iovec){prefix, entry.prefix_bytes};
    }
    vec[vec_count++] = (struct iovec){(void *)(uintptr_t)batch->head, BATCH_HEADER_BYTES};
    vec[vec_count++] = (struct iovec){(void *)(uintptr_t)(batch->bytes + BATCH_HEADER_BYTES),
                                      header->size_bytes - BATCH_HEADER_BYTES};
    err = journal_append(log->env->journal, &entry, vec, vec_count,
                         log->config.relaxed && !batch->may_end, /* readers wait for a marker */
                         buf_out, stored_out, sequence_out);
    if (err == OK)
        log->prefix_pending = false;
    return err;
}

void log_note_batch(struct log *log, struct segment *segment, const struct batch_header *header,
                    uint64_t pos)
{
    int64_t last_offset = batch_last_offset(header);

    time_index_note_batch(&segment->times, header->max_timestamp_ms, last_offset);
    if (offset_index_add_batch(&segment->index, last_offset, pos, header->size_bytes))
        time_index_add_entry(&segment->times, false);
    segment->indexes_dirty = true;
    segment_note_first_time(segment, header->max_timestamp_ms, true);
    segment->size_bytes = pos + header->size_bytes;
    segment->end_offset = last_offset + 1;
    log->offsets.log_end = last_offset + 1;
    if (header->leader_epoch > epoch_cache_latest(&log->epochs) &&
        epoch_cache_assign(&log->epochs, header->leader_epoch, header->base_offset))
        log->epochs_dirty = true;
}

static bool is_full(struct log_environment *env)
{
    if (!tail_cache_is_full(env->tail_cache))
        return false;
    env->events->pressed(env->context);
    return true;
}

/* The common second half. */
static enum err store_batch(struct log *log, const struct stored_batch *batch, bool urgent)
{
    struct log_environment *env = log->env;
    const struct batch_header *header = &batch->header;
    struct segment *active;
    struct buf *buf;
    uint8_t *stored;
    uint64_t sequence;
    enum err err;

    if (header->size_bytes > log->config.segment_bytes)
        return ERR_TOO_LARGE;
    if (room_queue_must_wait(env->room, log->config.reserved_space || urgent))
        return ERR_FULL;
    if (is_full(env) && !urgent) { /* urgent: what the journal keeps is the bound */
        room_queue_refuse(env->room);
        return ERR_FULL;
    }
    if (!log_tail_reserve(&log->tail))
        return ERR_NOMEM;
    err = prepare_segment(log, header->size_bytes, batch_last_offset(header),
                          header->max_timestamp_ms, urgent);
    if (err != OK)
        return err;
    if (batch->may_end && !log_transactions_reserve(log, log_active(log)))
        return ERR_NOMEM;
    err = journal_batch(log, batch, urgent, &buf, &stored, &sequence);
    if (err == ERR_FULL && !urgent)
        room_queue_refuse(env->room);
    if (err == ERR_AGAIN) {
        free_memory(env);
        err = ERR_FULL;
    }
    if (err != OK)
        return err;
    active = log_active(log);
    log_tail_add(&log->tail, active, header->base_offset, batch_last_offset(header) + 1,
                 active->size_bytes, stored, header->size_bytes, buf, sequence);
    log_note_batch(log, active, header, active->size_bytes);
    log_mark_dirty(log);
    if (log->config.relaxed)
        relaxed_timer_note(env->relaxed);
    counter_add(&env->metrics->appended_bytes, header->size_bytes);
    log_check_invariants(log);
    return OK;
}

static void apply_producer(struct log *log, const struct batch_header *header,
                           const struct producer_append *append)
{
    struct producer_completed completed;

    if (!batch_has_producer(header))
        return;
    if (producer_append_apply(&log->producers, header, append, log_wall_ms(log), &completed))
        log_transactions_ended(log, log_active(log), &completed);
    log->producers_dirty = true;
    log_note_producers(log);
}

static void fill_result(const struct log *log, const struct batch_header *header,
                        struct log_append_result *out)
{
    *out = (struct log_append_result){
        .base_offset = header->base_offset,
        .last_offset = batch_last_offset(header),
        .log_append_time_ms = batch_is_log_append_time(header) ? header->max_timestamp_ms : -1,
        .log_start_offset = log->offsets.log_start};
}

/* Kafka's LogValidator: offsets, epoch, and the time by the topic's message.timestamp.type. */
static enum err stamp_as_leader(const struct log *log, struct stored_batch *batch,
                                const struct log_append *append)
{
    batch_set_base_offset(batch->head, log->offsets.log_end);
    batch_set_leader_epoch(batch->head, append->leader_epoch);
    if (log->config.log_append_time)
        batch_set_append_time(batch->head, append->now_ms);
    else if (batch_is_log_append_time(&batch->header) ||
             batch->header.max_timestamp_ms != append->max_timestamp_ms)
        batch_set_create_time(batch->head, append->max_timestamp_ms);
    return close_stamps(batch);
}

enum err log_append_leader(struct log *log, const struct log_append *append,
                           struct log_append_result *out)
{
    struct producer_append judged = {.rules = append->rules};
    const struct producer_check *first = &judged.check;
    struct stored_batch batch;
    enum err err = state_error(log, append->urgent);

    if (err == OK)
        err = take_batch(append->bytes, append->size_bytes, &batch);
    if (err == OK)
        err = producer_append_check(&log->producers, append->bytes, &batch.header, &judged);
    if (err != OK)
        return err;
    if (first->duplicate) {
        *out = (struct log_append_result){.base_offset = first->base_offset,
                                          .last_offset = first->last_offset,
                                          .log_append_time_ms = first->timestamp_ms, /* as Kafka */
                                          .log_start_offset = log->offsets.log_start,
                                          .duplicate = true};
        return OK;
    }
    batch.owner = append->rules.owner;
    err = stamp_as_leader(log, &batch, append);
    if (err == OK)
        err = store_batch(log, &batch, append->urgent);
    if (err != OK)
        return err;
    apply_producer(log, &batch.header, &judged);
    fill_result(log, &batch.header, out);
    return OK;
}

enum err log_append_verbatim(struct log *log, const uint8_t *bytes, uint32_t size_bytes,
                             struct log_append_result *out)
{
    struct producer_append append = {.rules = {.origin = PRODUCER_VERBATIM}};
    struct stored_batch batch;
    enum err err = state_error(log, false);

    if (err == OK)
        err = take_batch(bytes, size_bytes, &batch);
    if (err == OK && batch.header.base_offset < log->offsets.log_end)
        err = ERR_OFFSET_RANGE;
    if (err == OK)
        err = producer_append_check(&log->producers, bytes, &batch.header, &append);
    if (err == OK)
        err = store_batch(log, &batch, false);
    if (err != OK)
        return err;
    apply_producer(log, &batch.header, &append);
    fill_result(log, &batch.header, out);
    return OK;
}

void log_begin_epoch(struct log *log, int32_t leader_epoch)
{
    if (log->quarantined || leader_epoch <= epoch_cache_latest(&log->epochs))
        return;
    if (epoch_cache_assign(&log->epochs, leader_epoch, log->offsets.log_end)) {
        log->epochs_dirty = true;
        log_mark_dirty(log);
    }
}
