/* sim_file: the bytes of one file, twice: as the page cache shows them, and as they are on stable
 * storage.
 *
 * Owned by a sim_disk.  Bytes are kept in pages of 4096; what becomes durable, gets lost or is torn
 * is a unit: 512 bytes, or a whole page.  A unit is
 *     clean     cached and durable bytes are equal
 *     dirty     written since it was last made durable
 *     diverged  a sync of it failed: it counts as clean, but memory and disk differ
 *   SFL-1  a unit that is neither dirty nor diverged has equal bytes in both views
 *   SFL-2  only a sync (sim_capture), a dsync write and a power loss change what is durable, and a
 *       write over a dirty unit, which may push the older content out first
 *   SFL-3  a sync makes durable what was there when it began
 * Source of the rules: the persistence model that docs and tests of durability agree on: see
 * sim_disk.h. */
#ifndef LEVEE_TESTS_SIM_FILE_H
#define LEVEE_TESTS_SIM_FILE_H

#include "base/prng.h"
#include "tests/sim/sim_stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_PAGE_BYTES = 4096, SIM_SECTOR_BYTES = 512, SIM_PAGE_UNITS_MAX = 8, SIM_SIZES_MAX = 8 };

struct sim_unit {
    uint64_t written; /* version of the cached bytes */
    uint64_t durable; /* version of the durable bytes */
    uint64_t loose;   /* the one unfinished write that made it dirty; 0: a finished one too */
};

struct sim_page {
    uint8_t *durable; /* NULL: equal to cached */
    uint8_t dirty;    /* bit per unit */
    uint8_t diverged; /* bit per unit */
    bool allocated;   /* counts against the disk's capacity */
    struct sim_unit units[SIM_PAGE_UNITS_MAX];
    uint8_t cached[SIM_PAGE_BYTES];
};

struct sim_file {
    struct sim_page **pages; /* NULL: a hole, zeros in both views */
    size_t pages_count;
    uint64_t cached_size;
    uint64_t durable_size;
    uint64_t sizes[SIM_SIZES_MAX]; /* a ring: the newest sizes before the present one */
    uint64_t sizes_from;           /* number of the first that is not older than the durable one */
    uint64_t sizes_to;             /* number after the last */
    uint64_t size_floor;           /* no legal image is shorter */
    uint64_t shrink_version;       /* when it last became shorter */
    bool size_dirty;
    bool may_be_dirty; /* false: no page is */
    uint64_t size_version;
    uint64_t durable_size_version;
    uint64_t version; /* grows with each change */
    uint64_t allocated_pages;
    uint32_t unit_bytes;
};

enum sim_view {
    SIM_CACHED,  /* what an ordinary read sees */
    SIM_DEVICE,  /* what O_DIRECT sees: the disk's bytes where they diverged */
    SIM_DURABLE, /* what is certain to survive */
};

/* What one sync covers, as it was when the sync began. */
struct sim_capture {
    struct sim_captured *units;
    size_t count;
    size_t capacity;
    uint64_t size_bytes;
    uint64_t size_version;
    uint64_t sizes_to;
    bool has_size;
};

/* How a power loss treats what was not synced.  Millionths. */
struct sim_loss {
    uint32_t garbage_ppm; /* a lost unit in never-written space holds garbage, not zeros */
    uint32_t damage_ppm;  /* a unit being written is hurt: one byte of it changes */
};

void sim_file_init(struct sim_file *file, uint32_t unit_bytes);
void sim_file_deinit(struct sim_file *file);

/* Change the cached bytes.  write_id: of a write that its issuer does not know to be finished (see
 * sim_file_capture), 0 of any other.  When a dirty unit is overwritten, its older content may have
 * reached the disk before: with a chance of writeback_ppm in a million. */
void sim_file_write(struct sim_file *file, uint64_t pos, const uint8_t *bytes, size_t size_bytes,
                    uint64_t write_id, struct prng *prng, uint32_t writeback_ppm);

/* Bytes read, less than size_bytes at the end of the file. */
size_t sim_file_read(const struct sim_file *file, enum sim_view view, uint64_t pos, uint8_t *bytes,
                     size_t size_bytes);

/* Pages that writing there would newly allocate. */
uint64_t sim_file_pages_needed(const struct sim_file *file, uint64_t pos, uint64_t size_bytes);

void sim_file_truncate(struct sim_file *file, uint64_t size_bytes);

/* Begin a sync.  Units that only the unfinished write `id` made dirty are covered by chance, when
 * is_unfinished(context, id) says so. */
void sim_file_capture(struct sim_file *file, struct prng *prng,
                      bool (*is_unfinished)(void *context, uint64_t id), void *context,
                      struct sim_capture *out);

/* The sync succeeded: all that it covered is durable. */
void sim_file_persist(struct sim_file *file, const struct sim_capture *capture);

/* The sync failed: some of it is durable, all of it is taken as clean. */
void sim_file_diverge(struct sim_file *file, const struct sim_capture *capture, struct prng *prng);

/* The power goes while the sync runs: some of it is durable already. */
void sim_file_persist_some(struct sim_file *file, const struct sim_capture *capture,
                           struct prng *prng);

void sim_capture_deinit(struct sim_capture *capture);

/* A dsync write of that range, already in the cache, completed. */
void sim_file_persist_range(struct sim_file *file, uint64_t pos, uint64_t size_bytes);

/* Memory pressure: diverged units are forgotten and show the disk's bytes again. */
void sim_file_evict(struct sim_file *file);

/* Reduce to a legal image: what was dirty is old or new, unit by unit.  Afterwards all is clean. */
void sim_file_lose_power(struct sim_file *file, const struct sim_loss *loss, struct prng *prng,
                         struct sim_stats *stats);

/* What is durable, and that size, is all there is from now on: the end of a power loss. */
void sim_file_settle(struct sim_file *file, uint64_t size_bytes);

/* Bit rot: change a byte in both views.  False when the file is shorter. */
bool sim_file_flip(struct sim_file *file, uint64_t pos, uint8_t mask);

#endif
