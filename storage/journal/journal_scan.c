/* Per shard: look at the first group of every extent → the epoch → the extents of that epoch whose
 * first group is good, by sequence → walk from the one that holds the wanted sequence: group after
 * group while the next sequence follows, in this extent or as the first group of another.  Where
 * they stand is kept, and what they say of each partition (journal_replay.c); the bytes are not.
 *
 * Then every extent is looked through for groups that were written when more was durable than the
 * run holds, at each place where one can begin: the damaged group may be any one, also the first of
 * an extent, or of the only one.
 *
 * A payload at such a place may look like a group.  It cannot know the salt.  The marks say it;
 * those of an older version do not: then it is taken from first groups, for an extent begins with
 * nothing but a group of ours, and if none of them is good nothing can be said. */
#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/journal/journal_scan_private.h"

#include <stdlib.h>

static bool entries_are_sound(const uint8_t *group, const struct journal_group_head *head)
{
    uint32_t pos = JOURNAL_GROUP_HEAD_BYTES;
    uint32_t count = 0;
    struct journal_entry entry;
    const uint8_t *content;
    enum err err;

    while ((err = journal_format_next_entry(group, head->size_bytes, &pos, &entry, &content)) == OK)
        count++;
    return err == ERR_NOT_FOUND && count == head->entry_count;
}

static enum err add_group(struct journal_scan *scan, struct scan_extent *extent, uint64_t group_pos,
                          const struct journal_group_head *head)
{
    const uint8_t *group = extent->buf->bytes + group_pos;
    uint32_t pos = JOURNAL_GROUP_HEAD_BYTES;
    struct journal_entry entry;
    const uint8_t *content;

    while (!journal_format_next_entry(group, head->size_bytes, &pos, &entry, &content)) {
        enum err err = scan_note_entry(scan, &entry, content);
        if (err)
            return err;
        scan->stats.entries++;
    }
    extent->used = true;
    scan->stats.groups++;
    scan->stats.bytes += head->size_bytes;
    return OK;
}

/* Groups of the run stand in extent from there on.  ERR_NOMEM. */
static enum err begin_piece(struct journal_scan *scan, const struct scan_shard *shard,
                            const struct scan_extent *extent, uint64_t pos)
{
    struct scan_piece *pieces =
        mem_try_realloc(scan->pieces, (scan->piece_count + 1) * sizeof(*pieces));

    if (pieces == NULL)
        return ERR_NOMEM;
    scan->pieces = pieces;
    scan->pieces[scan->piece_count++] = (struct scan_piece){
        .extent_index = (uint32_t)(extent - scan->extents),
        .pos = pos,
        .end_pos = pos,
        .shard = shard,
        .first_sequence = shard->last_sequence + 1,
    };
    return OK;
}

/* The walk is through with it.  Groups that were found good need not be read and verified a second
 * time, as long as there is room for them. */
static void let_go(struct journal_scan *scan, struct scan_extent *extent)
{
    if (extent->kept)
        return;
    if (!extent->used || extent->buf == NULL ||
        scan->kept_bytes + buf_cost_bytes(extent->buf) > scan->keep_max_bytes) {
        scan_extent_drop(extent);
        return;
    }
    extent->kept = true;
    scan->kept_bytes += buf_cost_bytes(extent->buf);
}

/* ---- the run of one shard */

static bool is_of_run(const struct scan_shard *shard, const struct journal_group_head *head)
{
    return head->shard == shard->shard && head->recovery_epoch == shard->epoch &&
           head->salt == shard->salt;
}

/* The good extents of the shard stand first to last by sequence; the one whose first group is the
 * last one <= sequence (exactly: == sequence).  NULL: none. */
static struct scan_extent *extent_with(struct journal_scan *scan, const struct scan_shard *shard,
                                       uint64_t sequence, bool exactly)
{
    struct scan_extent *best = NULL;

    for (uint32_t i = 0; i < scan->extent_count; i++) {
        struct scan_extent *extent = &scan->extents[i];
        if (!extent->good || !is_of_run(shard, &extent->head) || extent->head.sequence > sequence ||
            (exactly && extent->head.sequence != sequence))
            continue;
        if (best == NULL || extent->head.sequence > best->head.sequence)
            best = extent;
    }
    return best;
}

/* Where the group of that sequence may stand in an extent that begins with an earlier one.  Groups
 * before it are not needed, so they may be damaged, the first one too: then it is looked for. */
static enum err find_in_extent(struct journal_scan *scan, const struct scan_shard *shard,
                               struct scan_extent *extent, uint64_t sequence, uint64_t *pos_out)
{
    uint64_t next = extent->head.sequence;
    uint64_t pos = 0;
    bool looking = !extent->good;

    for (;;) {
        struct journal_group_head head;
        bool is_next;
        enum err err = scan_extent_load(&scan->source, extent, pos + IO_ALIGN);

        if (err)
            return err;
        if (pos + IO_ALIGN > extent->loaded_bytes)
            return ERR_NOT_FOUND;
        is_next = journal_format_read_head(extent->buf->bytes + pos, extent->size_bytes - pos,
                                           &head) == OK &&
                  is_of_run(shard, &head) &&
                  (looking ? head.sequence == sequence : head.sequence == next);
        if (is_next && head.sequence == sequence) {
            *pos_out = pos;
            return OK;
        }
        looking = looking || !is_next;
        next++;
        pos += looking ? IO_ALIGN : journal_format_round_up(head.size_bytes);
    }
}

/* The first group that is needed, in the extent that the marks name, whose own first group, which
 * is not needed any more, is damaged.  ERR_NOT_FOUND. */
static enum err find_in_named(struct journal_scan *scan, const struct scan_shard *shard,
                              uint64_t sequence, struct scan_extent **extent_out, uint64_t *pos_out)
{
    for (uint32_t i = 0; i < scan->extent_count; i++) {
        struct scan_extent *extent = &scan->extents[i];
        enum err err;
        if (extent->shard != shard->shard || extent->number != shard->extent_number || extent->good)
            continue;
        err = find_in_extent(scan, shard, extent, sequence, pos_out);
        if (err == OK)
            *extent_out = extent;
        return err;
    }
    return ERR_NOT_FOUND;
}

/* A group of the run that was written when more was durable than we can read? */
static void note_lost(const struct scan_shard *shard, const struct journal_group_head *head,
                      uint64_t *durable)
{
    if (is_of_run(shard, head) && head->sequence > shard->last_sequence &&
        head->durable_sequence < head->sequence && head->durable_sequence > *durable)
        *durable = head->durable_sequence;
}

static enum err look_through(struct journal_scan *scan, const struct scan_shard *shard,
                             struct scan_extent *extent, uint64_t pos, uint64_t *durable)
{
    for (; pos < extent->size_bytes; pos += IO_ALIGN) {
        struct journal_group_head head;
        enum err err = scan_extent_load(&scan->source, extent, pos + IO_ALIGN);
        if (err)
            return err;
        if (pos + IO_ALIGN > extent->loaded_bytes)
            break;
        if (journal_format_read_head(extent->buf->bytes + pos, extent->size_bytes - pos, &head) ||
            !is_of_run(shard, &head))
            continue;
        err = scan_extent_group(&scan->source, extent, pos, &head);
        if (err == OK)
            note_lost(shard, &head, durable);
        else if (err != ERR_CORRUPT && err != ERR_MALFORMED && err != ERR_NEWER_FORMAT)
            return err;
    }
    return OK;
}

/* last, pos: where the run ended; NULL: it has no group.  Other extents of the run are known. */
static enum err look_for_lost(struct journal_scan *scan, struct scan_shard *shard,
                              struct scan_extent *last, uint64_t pos)
{
    uint64_t durable = shard->last_sequence;
    bool has_named = shard->extent_number == 0;

    if (last != NULL) {
        enum err err = look_through(scan, shard, last, pos, &durable);
        let_go(scan, last); /* before another one comes into memory */
        if (err)
            return err;
    }
    for (uint32_t i = 0; i < scan->extent_count; i++) {
        struct scan_extent *extent = &scan->extents[i];
        enum err err = OK;
        if (extent->shard != shard->shard)
            continue;
        has_named = has_named || extent->number == shard->extent_number;
        if (extent != last && !extent->used)
            err = look_through(scan, shard, extent, 0, &durable);
        let_go(scan, extent);
        if (err)
            return err;
    }
    scan->stats.lost_groups += durable - shard->last_sequence;
    if (!has_named && durable == shard->last_sequence)
        scan->stats.lost_groups++; /* at least the one that the marks knew there */
    return OK;
}

/* The group that would have been the next one: torn? */
static bool next_is_torn(const struct journal_scan *scan, const struct scan_shard *shard,
                         enum err err, const struct journal_group_head *head)
{
    uint64_t next = shard->last_sequence + 1;

    if (err == ERR_CORRUPT && is_of_run(shard, head) && head->sequence == next)
        return true;
    for (uint32_t i = 0; i < scan->extent_count; i++) {
        const struct scan_extent *extent = &scan->extents[i];
        if (extent->has_head && !extent->good && is_of_run(shard, &extent->head) &&
            extent->head.sequence == next)
            return true;
    }
    return false;
}

/* From last_sequence + 1 on, as far as it goes. */
static enum err walk(struct journal_scan *scan, struct scan_shard *shard)
{
    uint64_t first = shard->last_sequence + 1;
    struct scan_extent *extent = extent_with(scan, shard, first, false);
    uint64_t pos = 0;
    enum err err =
        extent != NULL ? find_in_extent(scan, shard, extent, first, &pos) : ERR_NOT_FOUND;

    if (err == ERR_NOT_FOUND)
        err = find_in_named(scan, shard, first, &extent, &pos);
    if (err && err != ERR_NOT_FOUND)
        return err;
    if (extent != NULL && begin_piece(scan, shard, extent, pos) != OK)
        return ERR_NOMEM;
    while (extent != NULL) {
        struct journal_group_head head = {0};
        struct scan_extent *next;

        err = err ? err : scan_extent_group(&scan->source, extent, pos, &head);
        if (err == OK && is_of_run(shard, &head) && head.sequence == shard->last_sequence + 1 &&
            entries_are_sound(extent->buf->bytes + pos, &head)) {
            err = add_group(scan, extent, pos, &head);
            if (err)
                return err;
            shard->last_sequence++;
            pos += journal_format_round_up(head.size_bytes);
            scan->pieces[scan->piece_count - 1].end_pos = pos;
            continue;
        }
        if (err && err != ERR_CORRUPT && err != ERR_MALFORMED && err != ERR_NOT_FOUND &&
            err != ERR_NEWER_FORMAT)
            return err;
        next = extent_with(scan, shard, shard->last_sequence + 1, true);
        if (next == NULL || next == extent) {
            SOMETIMES("journal_scan: the last group was torn",
                      next_is_torn(scan, shard, err, &head));
            scan->stats.torn_groups += next_is_torn(scan, shard, err, &head);
            break;
        }
        let_go(scan, extent);
        extent = next;
        pos = 0;
        err = begin_piece(scan, shard, extent, pos);
        if (err)
            return err;
    }
    return shard->is_clean ? OK : look_for_lost(scan, shard, extent, pos + IO_ALIGN);
}

static bool is_candidate(const struct scan_extent *extent, const struct scan_shard *shard)
{
    return extent->has_head && extent->shard == shard->shard;
}

/* The newest epoch that a good first group proves; verifies what may belong to it. */
static enum err choose_epoch(struct journal_scan *scan, struct scan_shard *shard)
{
    for (uint32_t i = 0; i < scan->extent_count; i++) {
        struct scan_extent *extent = &scan->extents[i];
        enum err err;

        if (!is_candidate(extent, shard) || extent->head.recovery_epoch < shard->epoch)
            continue;
        err = scan_extent_verify(&scan->source, extent);
        if (err)
            return err;
        if (extent->good && extent->head.recovery_epoch > shard->epoch)
            shard->epoch = extent->head.recovery_epoch;
    }
    return OK;
}

static enum err scan_shard(struct journal_scan *scan, struct scan_shard *shard,
                           const struct marks *marks)
{
    struct scan_extent *first = NULL;
    enum err err;

    shard->epoch = marks != NULL ? marks->recovery_epoch : 0;
    shard->last_sequence = marks != NULL ? marks->first_sequence - 1 : 0;
    if (marks != NULL) {
        shard->salt = marks->salt;
        shard->has_salt = marks->salt != 0;
        shard->extent_number = marks->extent_number;
    }
    err = choose_epoch(scan, shard);
    if (err)
        return err;
    if (marks != NULL && marks->recovery_epoch < shard->epoch)
        shard->has_salt = false; /* another journal than theirs: count_unmarked says so */
    else
        shard->is_clean = marks != NULL && marks->clean;
    for (uint32_t i = 0; i < scan->extent_count; i++) {
        struct scan_extent *extent = &scan->extents[i];
        if (!is_candidate(extent, shard) || !extent->good ||
            extent->head.recovery_epoch != shard->epoch)
            continue;
        if (first == NULL || extent->head.sequence < first->head.sequence)
            first = extent;
    }
    if (first != NULL && !shard->has_salt)
        shard->salt = first->head.salt;
    if (first != NULL && marks == NULL)
        shard->last_sequence = first->head.sequence - 1;
    if (first != NULL || shard->has_salt)
        err = walk(scan, shard);
    for (uint32_t i = 0; i < scan->extent_count; i++) {
        struct scan_extent *extent = &scan->extents[i];
        if (extent->shard != shard->shard)
            continue;
        scan_extent_close(&scan->source, extent);
        let_go(scan, extent);
    }
    return err;
}

/* ---- all of them */

static void on_entry(void *context, const char *name, bool is_dir)
{
    struct journal_scan *scan = context;
    struct scan_extent extent = {.fd = -1};
    struct scan_extent *extents;

    if (is_dir || journal_format_parse_name(name, &extent.shard, &extent.number))
        return;
    extents = mem_try_realloc(scan->extents, (scan->extent_count + 1) * sizeof(*extents));
    scan->lacks_memory = scan->lacks_memory || extents == NULL;
    if (extents == NULL)
        return;
    scan->extents = extents;
    scan->extents[scan->extent_count++] = extent;
}

static struct scan_shard *find_shard(const struct journal_scan *scan, uint32_t shard)
{
    for (uint32_t i = 0; i < scan->shard_count; i++) {
        if (scan->shards[i].shard == shard)
            return &scan->shards[i];
    }
    return NULL;
}

/* ERR_NOMEM. */
static enum err add_shard(struct journal_scan *scan, uint32_t shard, const struct marks *marks)
{
    struct scan_shard *shards;

    if (find_shard(scan, shard) != NULL)
        return OK;
    shards = mem_try_realloc(scan->shards, (scan->shard_count + 1) * sizeof(*shards));
    if (shards == NULL)
        return ERR_NOMEM;
    scan->shards = shards;
    scan->shards[scan->shard_count++] = (struct scan_shard){
        .shard = shard,
        .generation = marks != NULL ? marks->generation : 0,
    };
    return OK;
}

/* Of all extents, and of all marks. */
static enum err add_shards(struct journal_scan *scan, const struct marks_set *marks)
{
    enum err err = OK;

    for (uint32_t i = 0; i < scan->extent_count && err == OK; i++) {
        uint32_t shard = scan->extents[i].shard;
        err = add_shard(scan, shard, marks != NULL ? marks_set_of(marks, shard) : NULL);
    }
    for (uint32_t i = 0; marks != NULL && i < marks_set_shard_count(marks) && err == OK; i++)
        err = add_shard(scan, marks_set_at(marks, i)->shard, marks_set_at(marks, i));
    return err;
}

/* A partition that has changed its shard: older marks, older entries. */
static int compare_shards(const void *a, const void *b)
{
    const struct scan_shard *left = a;
    const struct scan_shard *right = b;

    if (left->generation != right->generation)
        return left->generation < right->generation ? -1 : 1;
    return (left->shard > right->shard) - (left->shard < right->shard);
}

static int compare_extents(const void *a, const void *b)
{
    const struct scan_extent *left = a;
    const struct scan_extent *right = b;

    if (left->shard != right->shard)
        return left->shard < right->shard ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

static enum err scan_all(struct journal_scan *scan, const struct marks_set *marks)
{
    enum err err = scan->source.io->v->dir_list(scan->source.io, scan->source.dir, on_entry, scan);

    if (err == OK && scan->lacks_memory)
        err = ERR_NOMEM;
    if (err)
        return err;
    if (scan->extent_count > 0)
        qsort(scan->extents, scan->extent_count, sizeof(*scan->extents), compare_extents);
    err = add_shards(scan, marks);
    if (err)
        return err;
    if (scan->shard_count > 0)
        qsort(scan->shards, scan->shard_count, sizeof(*scan->shards), compare_shards);
    for (uint32_t s = 0; s < scan->shard_count; s++) {
        struct scan_shard *shard = &scan->shards[s];
        for (uint32_t i = 0; i < scan->extent_count; i++) {
            if (scan->extents[i].shard == shard->shard)
                err = scan_extent_open(&scan->source, &scan->extents[i]);
            if (err)
                return err;
            scan->stats.extents += scan->extents[i].shard == shard->shard;
        }
        err = scan_shard(scan, shard, marks != NULL ? marks_set_of(marks, shard->shard) : NULL);
        if (err)
            return err;
    }
    return OK;
}

/* Marks that are gone, or the newer slot of them: what the segments hold is not known any more. */
static uint64_t count_unmarked(const struct journal_scan *scan, const struct marks_set *marks)
{
    uint64_t count = marks_set_missing_count(marks);

    for (uint32_t s = 0; s < scan->shard_count; s++) {
        const struct marks *of_shard = marks_set_of(marks, scan->shards[s].shard);
        count += of_shard == NULL || of_shard->recovery_epoch < scan->shards[s].epoch;
    }
    if (scan->extent_count > 0 && marks_set_of(marks, 0) == NULL)
        count++;
    return count;
}

enum err journal_scan_open(struct io *io, const char *dir, const struct marks_set *marks,
                           struct slab *slab, uint64_t keep_max_bytes, struct journal_scan **out)
{
    struct journal_scan *scan = mem_try_alloc(sizeof(*scan));
    enum err err;

    if (scan == NULL)
        return ERR_NOMEM;
    *scan = (struct journal_scan){.source = {.io = io, .dir = dir, .slab = slab},
                                  .marks = marks,
                                  .keep_max_bytes = keep_max_bytes};
    hash_map_init(&scan->partitions, 0);
    err = scan_all(scan, marks);
    scan->marks = NULL;
    if (err) {
        journal_scan_close(scan);
        return err;
    }
    scan->stats.unmarked_shards = marks != NULL ? count_unmarked(scan, marks) : 0;
    *out = scan;
    return OK;
}

void journal_scan_position(const struct journal_scan *scan, uint32_t shard,
                           uint32_t *recovery_epoch_out, uint64_t *last_sequence_out)
{
    const struct scan_shard *found = find_shard(scan, shard);

    *recovery_epoch_out = found != NULL ? found->epoch : 0;
    *last_sequence_out = found != NULL ? found->last_sequence : 0;
}

const struct journal_scan_stats *journal_scan_stats(const struct journal_scan *scan)
{
    return &scan->stats;
}

void journal_scan_close(struct journal_scan *scan)
{
    if (scan == NULL)
        return;
    for (uint32_t i = 0; i < scan->extent_count; i++) {
        scan_extent_close(&scan->source, &scan->extents[i]);
        scan_extent_drop(&scan->extents[i]);
    }
    scan_forget_entries(scan);
    mem_free(scan->pieces);
    mem_free(scan->extents);
    mem_free(scan->shards);
    mem_free(scan);
}
