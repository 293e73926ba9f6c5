/* journal_private: the inside of a journal, for journal.c (order, writing, life) and
 * journal_append.c (appending). */
#ifndef LEVEE_STORAGE_JOURNAL_JOURNAL_PRIVATE_H
#define LEVEE_STORAGE_JOURNAL_JOURNAL_PRIVATE_H

#include "storage/journal/journal.h"
#include "storage/journal/journal_extent.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_group.h"

#include <stdbool.h>
#include <stdint.h>

struct journal {
    struct loop *loop;
    struct journal_options options;
    struct journal_events events;
    void *context;
    struct journal_extents extents;
    struct journal_memory memory;
    struct journal_group *open; /* takes entries; never NULL */
    struct list groups;         /* closed, or being written, or written out of turn; by sequence */
    struct list held;           /* durable by themselves, behind one that is not; by sequence */
    struct list spare; /* for the next ones: there is one while open has entries, so that it
                        * can be closed without memory */
    uint32_t spare_count;
    uint32_t writing_count;
    uint64_t pending_bytes;      /* on disk, of the open group and of groups that are not written */
    uint64_t written_sequence;   /* all up to it are written */
    uint64_t durable_sequence;   /* all up to it are on stable storage */
    uint64_t committed_sequence; /* durable, and told */
    uint64_t released_sequence;
    uint64_t sync_wanted; /* all up to it shall become durable */
    struct io_op sync_op;
    struct journal_extent *sync_extent;
    uint64_t sync_began_ns;
    uint64_t sync_through; /* what a running sync covers of sync_extent */
    struct task commit;
    struct task notify;
    uint64_t refused_bytes; /* on disk, of the largest group that was refused for want of room */
    bool half_told;
    bool tell_half;
    bool tell_room;
    bool failed;
    void (*stopped)(void *context);
    void *stopped_context;
    bool stopping;
    struct journal_stats stats;
};

/* Bytes that the open group takes on disk, as it is. */
static inline uint64_t journal_open_bytes(const struct journal *journal)
{
    return journal_format_round_up(journal->open->size_bytes);
}

/* Are there so many spare groups, or memory for them? */
must_use bool journal_reserve_spare(struct journal *journal, uint32_t count);

/* The open group (with entries) gets its place and waits to be written; an empty one follows. */
void journal_close_open_group(struct journal *journal);

/* Is there a place for a new group of size_bytes? */
bool journal_has_place(const struct journal *journal, uint64_t size_bytes, bool urgent);

/* May that many more bytes wait for the device? */
bool journal_has_pending_room(const struct journal *journal, uint64_t device_bytes, bool urgent);

/* The next group that may be written now; NULL: none. */
struct journal_group *journal_next_to_write(struct journal *journal);

/* Write the next group now, without waiting for the end of the turn, when it is large. */
void journal_start_if_large(struct journal *journal);

/* Tell the owner, later, when half of the space is in use. */
void journal_check_half(struct journal *journal);

/* JRN-1 to JRN-4, EXT-1 to EXT-3 and the sums of bytes: a broken one ends the process.  After each
 * change. */
#ifdef LEVEE_RELEASE
static inline void journal_check_invariants(const struct journal *journal)
{
}
#else
void journal_check_invariants(const struct journal *journal);
#endif

#endif
