/* The journal's entries of a log, above what its segments are believed to hold: batches go to the
 * tail in memory, which log_replay_all.c writes now and then; cuts and log starts take effect.  An
 * entry that does not follow on what is there quarantines the log. */
#include "base/mem.h"
#include "storage/log/log_append.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_recover.h"
#include "storage/log/log_roll.h"
#include "storage/log/log_transactions.h"
#include "storage/log/log_trim.h"

#include <string.h>

static enum err replay_append(struct log *log, const struct journal_replay *replay)
{
    const struct journal_entry *entry = &replay->entry;
    struct segment *active = log_active(log);
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;
    enum err err;

    if (entry->end_offset <= log->offsets.log_end)
        return OK; /* below the mark */
    if (entry->segment_base_offset != active->base_offset) {
        /* a segment begins where the log ended: else entries are missing */
        if (entry->pos != 0 || entry->segment_base_offset != log->offsets.log_end)
            return ERR_CORRUPT;
        log_begin_segment(log, entry->segment_base_offset);
        active = log_active(log);
    }
    if (entry->pos != active->size_bytes || entry->offset < log->offsets.log_end)
        return ERR_CORRUPT;
    err = segment_load_indexes(active);
    if (err != OK)
        return err;
    if (entry->prefix_bytes > 0 && entry->pos == active->written_pos &&
        entry->prefix_bytes == entry->pos % STORE_BLOCK) {
        /* the block below was perhaps being rewritten: these are its bytes */
        if (active->head_block == NULL)
            active->head_block = mem_try_alloc(STORE_BLOCK);
        if (active->head_block == NULL)
            return ERR_NOMEM;
        memcpy(active->head_block, replay->prefix, entry->prefix_bytes);
    }
    batch_walk_init(&walk, replay->payload, entry->payload_bytes);
    while ((err = batch_next(&walk, &header, &bytes)) == OK) {
        if (!batch_crc_is_good(bytes, &header))
            return ERR_CORRUPT;
        err = log_transactions_replay(log, active, bytes, &header, entry->owner);
        if (err != OK)
            return err;
        log->producers_dirty = log->producers_dirty || batch_has_producer(&header);
        if (!log_tail_reserve(&log->tail))
            return ERR_NOMEM;
        log_tail_add(&log->tail, active, header.base_offset, batch_last_offset(&header) + 1,
                     active->size_bytes, bytes, header.size_bytes, replay->buf, 0);
        log_note_batch(log, active, &header, active->size_bytes);
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err replay_truncate(struct log *log, const struct journal_entry *entry)
{
    struct segment *segment;
    enum err err;

    if (entry->offset > log->offsets.log_end)
        return ERR_CORRUPT;
    log_tail_cut(&log->tail, entry->offset);
    while (log->segments.count > 1 && log_active(log)->base_offset > entry->segment_base_offset)
        log_drop_last_segment(log, true);
    segment = log_active(log);
    if (segment->base_offset != entry->segment_base_offset || entry->pos > segment->size_bytes)
        return ERR_CORRUPT;
    err = segment_load_indexes(segment);
    if (err == ERR_NOMEM || err == ERR_IO)
        return err; /* says nothing of what is there */
    if (err != OK)
        return ERR_CORRUPT;
    return log_cut_state(log, segment, entry->offset, entry->pos);
}

static enum err replay_start(struct log *log, int64_t offset)
{
    if (offset <= log->offsets.log_start)
        return OK;
    if (offset > log->offsets.log_end)
        return ERR_CORRUPT;
    log->offsets.log_start = offset;
    if (epoch_cache_truncate_start(&log->epochs, offset))
        log->epochs_dirty = true;
    producer_state_raise_start(&log->producers, offset);
    log_place_stable(log);
    log_drop_below_start(log);
    return OK;
}

static enum err replay_one(struct log *log, const struct journal_replay *replay)
{
    switch (replay->entry.kind) {
    case JOURNAL_APPEND:
        return replay_append(log, replay);
    case JOURNAL_TRUNCATE:
        return replay_truncate(log, &replay->entry);
    case JOURNAL_LOG_START:
        return replay_start(log, replay->entry.offset);
    default:
        return ERR_CORRUPT;
    }
}

enum err log_replay(struct log *log, const struct journal_replay *replay, bool is_cut_off)
{
    enum err err;

    if (is_cut_off && replay->entry.kind != JOURNAL_LOG_START)
        return OK;
    err = replay_one(log, replay);
    log_mark_dirty(log);
    if (err == ERR_CORRUPT) {
        log_quarantine(log, "the journal does not follow on the segments", replay->entry.offset,
                       err);
    } else if ((err == ERR_IO && !log->config.required) || err == ERR_TRUNCATED) {
        log_quarantine(log, "its files cannot be read", -1, err);
    }
    return log->quarantined ? OK : err;
}

void log_replay_ended(struct log *log)
{
    log->facts = NULL;
    producer_state_settle(&log->producers);
    log_note_producers(log);
    if (!log->quarantined)
        return;
    log_tail_drop_all(&log->tail);
    if (list_is_linked(&log->dirty_node))
        list_remove(&log->dirty_node);
}
