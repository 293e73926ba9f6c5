/* The invariants of a journal, looked at after each change of it.  Not in releases. */
#include "base/check.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_private.h"

#ifndef LEVEE_RELEASE

/* The groups between the written ones and the open one: none is missing (JRN-2).  Returns the bytes
 * of those that are not written. */
static uint64_t check_groups(const struct journal *journal)
{
    uint64_t next = journal->written_sequence + 1;
    uint64_t bytes = 0;
    uint32_t writing_count = 0;

    list_for_each(node, &journal->groups)
    {
        const struct journal_group *group = container_of(node, struct journal_group, node);
        check(group->sequence == next++);
        check(group->started || !group->written);
        check(group->entry_count > 0);
        writing_count += group->started && !group->written;
        if (!group->written)
            bytes += journal_format_round_up(group->size_bytes);
    }
    check(journal->open->sequence == next);
    check(!journal->open->started);
    check(journal->failed || writing_count == journal->writing_count);
    if (journal->open->entry_count > 0)
        bytes += journal_open_bytes(journal);
    return bytes;
}

/* Written, and not yet durable or told. */
static void check_held(const struct journal *journal)
{
    uint64_t last = journal->durable_sequence;

    list_for_each(node, &journal->held)
    {
        const struct journal_group *group = container_of(node, struct journal_group, node);
        check(group->sequence > last);
        last = group->sequence;
    }
    check(last <= journal->written_sequence);
}

/* EXT-1 to EXT-3 of journal_extent.h. */
static void check_extents(const struct journal *journal)
{
    const struct journal_extents *extents = &journal->extents;
    uint64_t capacity_bytes = 0;
    uint64_t used_bytes = 0;
    uint64_t last_sequence = 0;

    list_for_each(node, &extents->used)
    {
        const struct journal_extent *extent = container_of(node, struct journal_extent, node);
        bool is_current = node->next == &extents->used;
        check(extent->pos <= extent->size_bytes && extent->pos % IO_ALIGN == 0);
        if (extent->last_sequence != 0) { /* else no group stands in it yet */
            check(extent->last_sequence > last_sequence);
            last_sequence = extent->last_sequence;
        }
        capacity_bytes += extent->size_bytes;
        used_bytes += is_current ? extent->pos : extent->size_bytes;
    }
    check(last_sequence < journal->open->sequence);
    check(used_bytes == extents->used_bytes); /* EXT-3 */
    list_for_each(node, &extents->free)
    {
        const struct journal_extent *extent = container_of(node, struct journal_extent, node);
        check(extent->last_sequence <= journal->released_sequence); /* JRN-3 */
        capacity_bytes += extent->size_bytes;
    }
    check(capacity_bytes == extents->capacity_bytes);
}

void journal_check_invariants(const struct journal *journal)
{
    check(journal->released_sequence <= journal->durable_sequence);  /* JRN-3 */
    check(journal->committed_sequence <= journal->durable_sequence); /* JRN-2 */
    check(journal->durable_sequence <= journal->written_sequence);   /* JRN-2 */
    check(journal->written_sequence < journal->open->sequence);      /* JRN-1 */
    check(journal->sync_wanted <= journal->open->sequence);
    check(!journal->failed || journal->extents.stopped); /* JRN-4 */
    check(check_groups(journal) == journal->pending_bytes);
    check_held(journal);
    check_extents(journal);
}

#endif
