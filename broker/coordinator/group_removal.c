/* begin → add ... → start → recorded → applied.  Of a whole group: start_all → put together, a
 * slice in each turn → recorded → applied, a slice in each turn → the next part, if it is not all
 * (R3). */
#include "broker/coordinator/group_removal.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"

enum {
    CHUNK_OFFSETS = 126,
    SLICE_OFFSETS = 1000, /* tombstones written, or applied, in one turn */
    PART_BYTES = 1 << 20, /* of a whole group's batch: then the next one */
};

struct removed_chunk {
    struct removed_chunk *next;
    uint32_t count;
    struct group_offset *offsets[CHUNK_OFFSETS];
};

struct group_removal {
    struct state_write write;
    struct group *group;
    struct removed_chunk *chunks;
    bool whole;         /* the group too, */
    int32_t generation; /* unless it has moved on from this one */
    void (*done)(void *context, int16_t error_code);
    void *context;
    uint32_t count;       /* of offsets */
    uint64_t taken_bytes; /* of the groups' budget */
    uint32_t *in_flight;  /* counts them until it has ended, or NULL */
    struct task slice;    /* goes on in the next turn */
    size_t cursor;        /* of the group's offsets, while it is put together */
    enum err err;         /* of the write, once it has ended */
    bool is_applying;     /* so it has */
    bool is_partial;      /* it was not all of the group */
};

/* Is it as much as one batch is to have? */
static bool is_full(const struct group_removal *removal)
{
    return batch_builder_size_bytes(&removal->write.builder) >= PART_BYTES;
}

/* ---- applying */

/* So many of its offsets are removed, or stay.  False: that was all. */
static bool apply_some(struct group_removal *removal, uint32_t max_count)
{
    while (removal->chunks != NULL && max_count > 0) {
        struct removed_chunk *chunk = removal->chunks;
        while (chunk->count > 0 && max_count > 0) {
            struct group_offset *offset = chunk->offsets[--chunk->count];
            bool stays = removal->err != OK && offset->is_recorded;
            group_end_leaving(offset, removal->err == OK);
            if (stays && removal->in_flight != NULL)
                group_sweep_again(offset);
            max_count--;
        }
        if (chunk->count > 0)
            break;
        removal->chunks = chunk->next;
        mem_free(chunk);
    }
    return removal->chunks != NULL;
}

static void free_removal(struct group_removal *removal)
{
    struct group *group = removal->group;

    group->writes--;
    if (group->removal == removal)
        group->removal = NULL;
    budget_give(group->budget, removal->taken_bytes);
    state_write_deinit(&removal->write);
    mem_free(removal);
}

static void finish(struct group_removal *removal)
{
    struct group *group = removal->group;
    void (*done)(void *context, int16_t error_code) =
        group->coordinator->closing ? NULL : removal->done;
    void *context = removal->context;
    enum err err = removal->err;

    if (removal->in_flight != NULL)
        *removal->in_flight -= removal->count;
    if (err == OK && removal->whole && group->state == GROUP_EMPTY &&
        group->generation == removal->generation) {
        group_reset(group); /* as a start applies it */
        group_end_pending(group);
    }
    free_removal(removal);
    coordinator_drop_if_idle(group);
    if (done != NULL)
        done(context, coordinator_write_error(err));
}

static void put_together(struct group_removal *removal);
static void on_recorded(struct state_write *write, enum err err);

/* What is left of the group begins from its beginning: what was recorded is gone. */
static void begin_next_part(struct group_removal *removal)
{
    state_write_deinit(&removal->write);
    removal->write = (struct state_write){0};
    if (!coordinator_write_init(removal->group, &removal->write, on_recorded)) {
        removal->err = ERR_NOT_FOUND;
        finish(removal);
        return;
    }
    removal->is_applying = false;
    removal->is_partial = false;
    removal->cursor = 0;
    put_together(removal);
}

static void apply(struct group_removal *removal)
{
    bool is_sliced = removal->group->removal == removal; /* R2 */

    if (apply_some(removal, is_sliced ? SLICE_OFFSETS : UINT32_MAX))
        loop_defer(group_loop(removal->group), &removal->slice);
    else if (removal->is_partial && removal->err == OK)
        begin_next_part(removal);
    else
        finish(removal);
}

/* The log has it, or has it not. */
static void on_recorded(struct state_write *write, enum err err)
{
    struct group_removal *removal = container_of(write, struct group_removal, write);

    removal->is_applying = true;
    removal->err = err;
    apply(removal);
}

/* ---- what is to go */

enum err group_removal_begin(struct group *group, struct group_removal **out)
{
    struct group_removal *removal;

    if (group->removal != NULL)
        return ERR_FULL; /* R2 */
    removal = mem_try_alloc(sizeof(*removal));
    if (removal == NULL)
        return ERR_NOMEM;
    removal->group = group;
    removal->generation = group->generation;
    if (!coordinator_write_init(group, &removal->write, on_recorded)) {
        mem_free(removal);
        return ERR_NOT_FOUND;
    }
    group->writes++;
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
    group_write_offset_tombstone(removal->group, &removal->write, offset->topic, offset->partition);
    return OK;
}

void group_removal_add_group(struct group_removal *removal)
{
    removal->whole = true;
    group_write_tombstone(removal->group, &removal->write);
}

void group_removal_drop(struct group_removal *removal)
{
    removal->err = ERR_CANCELED;
    (void)apply_some(removal, UINT32_MAX);
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
    state_write_start(&removal->write);
}

/* Also those of which a commit is on its way: its record comes before the tombstone. */
static void put_together(struct group_removal *removal)
{
    struct group *group = removal->group;
    struct group_offset *offset = NULL;
    uint32_t count = 0;

    while (removal->write.err == OK && count++ < SLICE_OFFSETS && !is_full(removal) &&
           (offset = group_next_entry(group, &removal->cursor)) != NULL) {
        enum err err = group_removal_add(removal, offset);
        if (err != OK)
            removal->write.err = err;
    }
    if (removal->write.err == OK && offset != NULL) {
        group->removal = removal;
        removal->is_partial = is_full(removal);
        if (removal->is_partial)
            state_write_start(&removal->write);
        else
            loop_defer(group_loop(group), &removal->slice);
        return;
    }
    group_removal_add_group(removal);
    state_write_start(&removal->write);
}

static void on_slice(struct task *task)
{
    struct group_removal *removal = container_of(task, struct group_removal, slice);

    if (removal->is_applying)
        apply(removal);
    else
        put_together(removal);
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
        return; /* its write is under way, and ends it */
    list_remove(&removal->slice.node);
    if (!removal->is_applying)
        removal->err = err;
    (void)apply_some(removal, UINT32_MAX);
    if (removal->is_partial && removal->err == OK)
        removal->err = err;
    finish(removal);
}
