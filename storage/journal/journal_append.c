#include "base/check.h"
#include "base/sometimes.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_private.h"
#include "storage/storage_metrics.h"

#include <string.h>

enum { ENTRY_BYTES_MAX = 1 << 30 }; /* writev(2) moves less than 2 GiB at once */

static uint8_t *copy_entry(uint8_t *out, const struct journal_entry *entry, const struct iovec *vec,
                           uint32_t vec_count)
{
    uint64_t left_bytes = (uint64_t)entry->prefix_bytes + entry->payload_bytes;
    uint8_t *payload = out + JOURNAL_ENTRY_HEAD_BYTES + entry->prefix_bytes;

    journal_format_put_entry(out, entry);
    out += JOURNAL_ENTRY_HEAD_BYTES;
    for (uint32_t i = 0; i < vec_count; i++) {
        check(vec[i].iov_len <= left_bytes);
        if (vec[i].iov_len > 0)
            memcpy(out, vec[i].iov_base, vec[i].iov_len);
        out += vec[i].iov_len;
        left_bytes -= vec[i].iov_len;
    }
    check(left_bytes == 0); /* sum of vec = prefix_bytes + payload_bytes */
    return payload;
}

/* Nothing is appended; on_room when a group of size_bytes fits. */
static enum err refuse(struct journal *journal, uint64_t size_bytes)
{
    if (size_bytes > journal->refused_bytes)
        journal->refused_bytes = size_bytes;
    if (journal_has_place(journal, size_bytes, false))
        return ERR_FULL;
    journal_extents_want(&journal->extents, size_bytes);
    journal_extents_tend(&journal->extents);
    if (!journal->half_told) { /* the capacity that the half was reckoned with did not come */
        journal->half_told = true;
        journal->tell_half = true;
        loop_defer(journal->loop, &journal->notify);
    }
    return ERR_FULL;
}

/* Does the open group take one more entry, which makes it so large? */
static bool fits_open_group(const struct journal *journal, uint64_t size_bytes, bool urgent)
{
    return journal->open->entry_count > 0 && !BUGGIFY("journal: a group closes early") &&
           size_bytes <= journal->options.group_max_bytes &&
           journal_extents_has_room_here(&journal->extents, journal_format_round_up(size_bytes),
                                         urgent);
}

/* Make the open group one that takes an entry of entry_bytes. */
static enum err find_place(struct journal *journal, uint32_t entry_bytes, bool urgent)
{
    uint64_t size_bytes = journal_group_size_with(journal->open, &journal->memory, entry_bytes);
    bool fits = fits_open_group(journal, size_bytes, urgent);
    bool closes = !fits && journal->open->entry_count > 0;
    uint64_t alone_bytes =
        journal_format_round_up((uint64_t)JOURNAL_GROUP_HEAD_BYTES + entry_bytes);
    uint64_t device_bytes; /* how much of it is new */
    enum err err;

    if (alone_bytes > journal_extents_largest_bytes(&journal->extents))
        return ERR_TOO_LARGE;
    device_bytes =
        fits ? journal_format_round_up(size_bytes) - journal_open_bytes(journal) : alone_bytes;
    if (!journal_has_pending_room(journal, device_bytes, urgent) ||
        (!fits && !journal_has_place(journal, alone_bytes, urgent)))
        return refuse(journal, alone_bytes);
    if (!journal_reserve_spare(journal, closes ? 2 : 1))
        return ERR_NOMEM;
    if (closes)
        journal_close_open_group(journal);
    err = journal_group_reserve(journal->open, &journal->memory, entry_bytes);
    if (err)
        return err;
    if (!fits)
        (void)journal_extents_place(&journal->extents, alone_bytes, urgent);
    journal->pending_bytes += device_bytes;
    return OK;
}

enum err journal_append(struct journal *journal, const struct journal_entry *entry,
                        const struct iovec *vec, uint32_t vec_count, bool relaxed,
                        struct buf **buf_out, uint8_t **payload_out, uint64_t *sequence_out)
{
    uint64_t entry_bytes =
        (uint64_t)JOURNAL_ENTRY_HEAD_BYTES + entry->prefix_bytes + entry->payload_bytes;
    struct journal_group *group;
    uint8_t *payload;
    enum err err;

    if (journal->failed)
        return ERR_STORAGE;
    if (journal->stopping)
        return ERR_CLOSED;
    if (entry_bytes > ENTRY_BYTES_MAX)
        return ERR_TOO_LARGE;
    err = find_place(journal, (uint32_t)entry_bytes, entry->urgent);
    if (err)
        return err;
    group = journal->open;
    payload = copy_entry(journal_group_add(group, &journal->memory, (uint32_t)entry_bytes), entry,
                         vec, vec_count);
    if (group->entry_count == 1)
        group->began_ns = storage_metrics_begin(journal->options.metrics);
    group->relaxed = group->relaxed && relaxed;
    journal->stats.entries++;
    journal->stats.payload_bytes += entry->payload_bytes;
    if (buf_out != NULL)
        *buf_out = group->bufs[group->piece_count - 1];
    if (payload_out != NULL)
        *payload_out = payload;
    if (sequence_out != NULL)
        *sequence_out = group->sequence;
    if (journal_next_to_write(journal) != NULL)
        loop_defer(journal->loop, &journal->commit);
    journal_start_if_large(journal);
    journal_check_half(journal);
    journal_check_invariants(journal);
    return OK;
}
