/* begin → add ... → start → durable → applied → on_recorded.  Of a whole group: start_all → put
 * together, a slice in each turn → durable → applied, a slice in each turn → on_recorded → the next
 * part, if it is not all (GRM-3). */
#include "broker/coordinator/group_removal.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_expiry.h"
#include "broker/coordinator/group_rebalance.h"
#include "broker/coordinator/group_records.h"

enum {
    CHUNK_OFFSETS = 126,
    SLICE_OFFSETS = 1000, /* tombstones written in one turn */
    PART_BYTES = 1 << 20, /* of a whole group's batch: then the next one */
};

struct removed_chunk {
    struct removed_chunk *next;
    uint32_t count;
    struct group_offset *offsets[CHUNK_OFFSETS];
};

struct group_removal {
    struct group_write write;
    struct removed_chunk *chunks;
    int32_t generation; /* of the group, which goes too, unless it has moved on */
    void (*done)(void *context, int16_t error_code);
    void *context;
    uint32_t count;       /* of offsets */
    uint64_t taken_bytes; /* of the groups' budget */
    uint32_t *in_flight;  /* counts them until it has ended, or NULL */
    struct task slice;    /* goes on to put it together in the next turn */
    size_t cursor;        /* of the group's offsets, while it is put together */
    bool is_partial;      /* it was not all of the group */
};

/* Is it as much as one batch is to have? */
static bool is_full(const struct group_removal *removal)
{
    return runtime_write_size_bytes(&removal->write.records) >= PART_BYTES;
}

/* ---- the end of it */

/* Its tombstones are not in the log: what they were of stays. */
static void keep_offsets(struct group_removal *removal)
{
    for (const struct removed_chunk *chunk = removal->chunks; chunk != NULL; chunk = chunk->next)
        for (uint32_t i = chunk->count; i-- > 0;) {
            struct group_offset *offset = chunk->offsets[i];
            bool is_swept = group_offset_is_there(offset) && removal->in_flight != NULL;
            group_end_leaving(offset, false);
            if (is_swept)
                group_sweep_again(offset);
        }
}

static void free_chunks(struct group_removal *removal)
{
    while (removal->chunks != NULL) {
        struct removed_chunk *chunk = removal->chunks;
        removal->chunks = chunk->next;
        mem_free(chunk);
    }
}

static void free_removal(struct group_removal *removal)
{
    struct group *group = removal->write.group;

    if (group->removal == removal)
        group->removal = NULL;
    budget_give(group->budget, removal->taken_bytes);
    free_chunks(removal);
    group_write_end(&removal->write);
    mem_free(removal);
}

static void finish(struct group_removal *removal, enum err err)
{
    struct group *group = removal->write.group;
    void (*done)(void *context, int16_t error_code) =
        group->coordinator->closing ? NULL : removal->done;
    void *context = removal->context;

    if (removal->in_flight != NULL)
        *removal->in_flight -= removal->count;
    free_removal(removal);
    coordinator_drop_if_idle(group);
    if (done != NULL)
        done(context, coordinator_write_error(err));
}

/* The group's tombstone is durable. */
static void group_recorded(struct group_write *write)
{
    const struct group_removal *removal = container_of(write, struct group_removal, write);
    struct group *group = write->group;

    if (group->state != GROUP_EMPTY || group->generation != removal->generation)
        return;
    group_reset(group); /* as a start applies it */
    group_end_pending(group);
}

static void put_together(struct group_removal *removal);
static bool begin_write(struct group_removal *removal, struct group *group);

/* What is left of the group begins from its beginning: what was recorded is gone. */
static void begin_next_part(struct group_removal *removal)
{
    struct group *group = removal->write.group;
    struct group_write ended = removal->write;

    if (!begin_write(removal, group)) {
        finish(removal, ERR_NOT_FOUND);
        return;
    }
    group_write_end(&ended);
    free_chunks(removal);
    removal->is_partial = false;
    removal->cursor = 0;
    put_together(removal);
}

/* The log has it, and it is applied; or has it not. */
static void on_recorded(struct group_write *write, enum err err)
{
    struct group_removal *removal = container_of(write, struct group_removal, write);

    if (err != OK)
        keep_offsets(removal);
    if (err == OK && removal->is_partial)
        begin_next_part(removal);
    else
        finish(removal, err);
}

/* ---- what is to go */

/* False: the group's partition is not served, and nothing has changed. */
static bool begin_write(struct group_removal *removal, struct group *group)
{
    struct group_write write;

    if (!group_write_begin(&write, group, on_recorded))
        return false;
    removal->write = write;
    removal->write.recorded = group_recorded;
    return true;
}

enum err group_removal_begin(struct group *group, struct group_removal **out)
{
    struct group_removal *removal;

    if (group->removal != NULL)
        return ERR_FULL; /* GRM-2 */
    removal = mem_try_alloc(sizeof(*removal));
    if (removal == NULL)
        return ERR_NOMEM;
    removal->generation = group->generation;
    if (!begin_write(removal, group)) {
        mem_free(removal);
        return ERR_NOT_FOUND;
    }
    *out = removal;
    return OK;
}

void group_removal_charge(struct group_removal *removal, uint64_t taken_bytes)
{
    removal->taken_bytes += taken_bytes;
}

enum err group_removal_add(struct group_removal *removal, struct group_offset *offset)
{
    struct removed_chunk *chunk = removal->chunks;

    if (chunk == NULL || chunk->count == CHUNK_OFFSETS) {
        chunk = mem_try_alloc(sizeof(*chunk));
        if (chunk == NULL)
            return ERR_NOMEM;
        chunk->next = removal->chunks;
        removal->chunks = chunk;
    }
    chunk->offsets[chunk->count++] = offset;
    group_begin_leaving(offset);
    removal->count++;
    group_records_offset_tombstone(&removal->write, offset->topic, offset->partition);
    return OK;
}

void group_removal_add_group(struct group_removal *removal)
{
    group_records_tombstone(&removal->write);
}

void group_removal_drop(struct group_removal *removal)
{
    keep_offsets(removal);
    free_removal(removal);
}

/* ---- starting */

void group_removal_count_in(struct group_removal *removal, uint32_t *in_flight)
{
    removal->in_flight = in_flight;
    *in_flight += removal->count;
}

void group_removal_start(struct group_removal *removal,
                         void (*done)(void *context, int16_t error_code), void *context)
{
    removal->done = done;
    removal->context = context;
    runtime_write_start(&removal->write.records);
}

/* Also those of which a commit is on its way: its record comes before the tombstone. */
static void put_together(struct group_removal *removal)
{
    struct runtime_write *records = &removal->write.records;
    struct group *group = removal->write.group;
    struct group_offset *offset = NULL;
    uint32_t count = 0;

    while (records->err == OK && count++ < SLICE_OFFSETS && !is_full(removal) &&
           (offset = group_next_entry(group, &removal->cursor)) != NULL) {
        enum err err = group_removal_add(removal, offset);
        if (err != OK)
            runtime_write_fail(records, err);
    }
    if (records->err == OK && offset != NULL) {
        group->removal = removal;
        removal->is_partial = is_full(removal);
        if (!removal->is_partial) {
            loop_defer(group_loop(group), &removal->slice);
            return;
        }
    } else {
        group_removal_add_group(removal);
    }
    records->is_sliced = group->removal == removal; /* GRM-2 */
    runtime_write_start(records);
}

static void on_slice(struct task *task)
{
    put_together(container_of(task, struct group_removal, slice));
}

void group_removal_start_all(struct group_removal *removal,
                             void (*done)(void *context, int16_t error_code), void *context)
{
    check(removal->count == 0);
    removal->done = done;
    removal->context = context;
    removal->slice.run = on_slice;
    put_together(removal);
}

void group_removal_forget(struct group_removal *removal)
{
    removal->done = NULL;
}

void group_removal_cut(struct group *group, enum err err)
{
    struct group_removal *removal = group->removal;

    if (removal == NULL || !list_is_linked(&removal->slice.node))
        return; /* its write was under way, and has ended it */
    list_remove(&removal->slice.node);
    keep_offsets(removal);
    finish(removal, err);
}
