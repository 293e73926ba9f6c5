/* journal_extent: the files that a journal's groups stand in.
 *
 * Owned by its journal; lives on the journal's loop.  Files `journal-<shard>-<number>.levee` of
 * fixed size, written with zeros once (a write into merely allocated space costs three) and used
 * again in place.  The first one is small, so that a first start is quick; later ones are made in
 * the background, ahead of need, in pieces of 1 MiB that step back behind the journal's own writes;
 * then one syncfs makes the file and its name durable, and only then it is used.  Where there is no
 * space for it the file is removed and made again later; a write or a sync that fails otherwise is
 * a failure of the journal, as any other one is.
 *   EXT-1  used: oldest first; only the last one (the current one) takes groups
 *   EXT-2  free: every group in it is released
 *   EXT-3  used_bytes = sizes of all used ones but the last + pos of the last
 *   EXT-4  the end of each, journal_extents_reserve_bytes of it, takes only what is urgent: entries
 *       that let space go, without which a journal on a full disk would never be emptied */
#ifndef LEVEE_STORAGE_JOURNAL_JOURNAL_EXTENT_H
#define LEVEE_STORAGE_JOURNAL_JOURNAL_EXTENT_H

#include "base/err.h"
#include "base/io.h"
#include "base/list.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct journal_stats;

struct journal_extent {
    struct list node;
    uint64_t number;
    uint64_t size_bytes;
    uint64_t pos;             /* where the next group goes; a multiple of IO_ALIGN */
    uint64_t last_sequence;   /* of the groups in it */
    uint64_t synced_sequence; /* a sync has covered its groups up to this one */
    int32_t fd;
};

enum journal_growth {
    JOURNAL_GROWTH_NONE,
    JOURNAL_GROWTH_ZEROS,  /* pieces are being written */
    JOURNAL_GROWTH_NAMING, /* syncfs */
    JOURNAL_GROWTH_REMOVAL /* of a file without space, or in the way of a larger one */
};

struct journal_extents_options {
    const char *dir; /* the caller's */
    uint32_t shard;
    uint64_t extent_bytes;
    uint64_t max_bytes;
};

struct journal_extents {
    struct loop *loop;
    struct journal_extents_options options;
    struct list used;
    struct list free;
    uint64_t capacity_bytes;
    uint64_t used_bytes;
    uint64_t first_bytes; /* size of the first one, and the least of any */
    uint64_t next_number;
    bool direct;
    bool reserved; /* a group will stand in the current one: placed and not yet taken */
    bool busy;     /* the journal is writing; it calls journal_extents_tend when that changes */
    bool stopped;
    /* a free one has appeared, or a step of growth is over */
    void (*changed)(struct journal_extents *extents);
    /* a write or sync of growth failed: final, nothing more is made */
    void (*failed)(struct journal_extents *extents, enum err err);
    /* growth; one step at a time */
    enum journal_growth growth;
    struct journal_extent *growing;
    uint64_t written_bytes; /* of growing */
    uint64_t wanted_bytes;  /* an entry waits for an extent of this size; 0: none */
    uint32_t fruitless_count;
    struct io_op op;
    struct iovec vec;
    struct timer retry; /* set: space was refused lately */
    char *path;         /* for the step that runs */
    struct journal_stats *stats;
};

/* Adopt what is there as free, or create the first one; everything durable, the name too.
 * Synchronous.  options is copied; stats counts. */
must_use enum err journal_extents_open(struct journal_extents *extents, struct loop *loop,
                                       const struct journal_extents_options *options,
                                       struct journal_stats *stats,
                                       void (*changed)(struct journal_extents *extents),
                                       void (*failed)(struct journal_extents *extents,
                                                      enum err err));

/* journal_extents_is_idle, or never opened (zeroed). */
void journal_extents_close(struct journal_extents *extents);

/* The one that takes groups; NULL: none yet. */
struct journal_extent *journal_extents_current(struct journal_extents *extents);

/* What an extent of that size keeps (EXT-4): a multiple of IO_ALIGN, at most
 * JOURNAL_RESERVE_BYTES_MAX; none where it is smaller than 32 blocks. */
enum { JOURNAL_RESERVE_BYTES_MAX = 128 << 10 };
uint64_t journal_extents_reserve_bytes(uint64_t extent_bytes);

/* An extent with size_bytes (a multiple of IO_ALIGN) of room behind its pos: the current one, or a
 * free one that becomes it.  urgent: the end that is kept counts, too (EXT-4).  NULL: there is
 * none.
 */
struct journal_extent *journal_extents_place(struct journal_extents *extents, uint64_t size_bytes,
                                             bool urgent);

/* Could journal_extents_place, after open_bytes of the current one were taken? */
bool journal_extents_has_room(const struct journal_extents *extents, uint64_t open_bytes,
                              uint64_t size_bytes, bool urgent);

/* Has the current one size_bytes behind its pos? */
bool journal_extents_has_room_here(const struct journal_extents *extents, uint64_t size_bytes,
                                   bool urgent);

/* The most that journal_extents_place can ever give. */
uint64_t journal_extents_largest_bytes(const struct journal_extents *extents);

/* Ask for an extent that can hold size_bytes (<= journal_extents_largest_bytes), when none that
 * exists is large enough; journal_extents_tend makes it. */
void journal_extents_want(struct journal_extents *extents, uint64_t size_bytes);

/* size_bytes more of the current extent hold the group of that sequence. */
void journal_extents_take(struct journal_extents *extents, uint64_t size_bytes, uint64_t sequence);

/* Groups up to sequence are not needed.  True: an extent has become free, or the current one begins
 * anew. */
bool journal_extents_release(struct journal_extents *extents, uint64_t sequence);

/* The one that holds a group not yet released. */
struct journal_extent *journal_extents_find(struct journal_extents *extents, uint64_t sequence);

/* Begin the next step of growth if there is need for one. */
void journal_extents_tend(struct journal_extents *extents);

/* No more growth. */
void journal_extents_stop(struct journal_extents *extents);

/* How far used_bytes can go, as things are. */
uint64_t journal_extents_limit_bytes(const struct journal_extents *extents);

static inline bool journal_extents_is_idle(const struct journal_extents *extents)
{
    return !extents->op.in_flight;
}

#endif
