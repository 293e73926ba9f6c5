/* What a journal's runs say of each partition: a few facts, kept while the scan reads them for the
 * first time; and then all entries in their order, out of the extents that stayed in memory or read
 * a second time, an extent at a time. */
#include "base/check.h"
#include "base/mem.h"
#include "storage/journal/journal_scan_private.h"

#include <stddef.h>
#include <string.h>

enum { KEY_BYTES = offsetof(struct journal_facts, partition) + sizeof(int32_t) };
_Static_assert(KEY_BYTES == 20, "no gap in the key");

/* ---- facts */

static struct journal_facts *find_facts(const struct journal_scan *scan,
                                        const struct uuid *topic_id, int32_t partition)
{
    struct journal_facts key = {.topic_id = *topic_id, .partition = partition};

    return hash_map_find(&scan->partitions, &key, KEY_BYTES);
}

static struct journal_facts *add_facts(struct journal_scan *scan, const struct journal_entry *first)
{
    struct journal_facts *facts = mem_try_alloc(sizeof(*facts));
    const struct mark *mark = NULL;

    if (facts == NULL)
        return NULL;
    if (scan->marks != NULL)
        mark = marks_find(scan->marks, &first->topic_id, first->partition);
    facts->topic_id = first->topic_id;
    facts->partition = first->partition;
    facts->first = *first;
    facts->first_piece = scan->piece_count - 1;
    facts->has_bound = mark != NULL;
    if (mark != NULL)
        facts->bound = *mark;
    if (hash_map_insert(&scan->partitions, facts, KEY_BYTES, facts) != OK) {
        mem_free(facts);
        return NULL;
    }
    return facts;
}

static void forget_prefix(struct journal_facts *facts)
{
    mem_free(facts->prefix);
    facts->prefix = NULL;
    facts->prefix_bytes = 0;
}

/* The first append behind the bound that carries the bytes below it in its block. */
static enum err note_prefix(struct journal_facts *facts, const struct journal_entry *entry,
                            const uint8_t *content)
{
    if (facts->prefix_bytes > 0 || entry->prefix_bytes == 0 ||
        entry->segment_base_offset != facts->bound.segment_base_offset ||
        entry->pos != facts->bound.pos)
        return OK;
    if (entry->prefix_bytes <= IO_ALIGN) {
        facts->prefix = mem_try_alloc(entry->prefix_bytes);
        if (facts->prefix == NULL)
            return ERR_NOMEM;
        memcpy(facts->prefix, content, entry->prefix_bytes);
    }
    facts->prefix_bytes = entry->prefix_bytes;
    return OK;
}

/* What is to be believed of the segments: the mark, less what was cut off and what was deleted. */
static enum err move_bound(struct journal_facts *facts, const struct journal_entry *entry,
                           const uint8_t *content)
{
    struct mark *bound = &facts->bound;

    if (entry->kind == JOURNAL_LOG_START && entry->offset > bound->log_start_offset)
        bound->log_start_offset = entry->offset;
    if (entry->kind == JOURNAL_APPEND)
        return note_prefix(facts, entry, content);
    if (entry->kind != JOURNAL_TRUNCATE || entry->offset > bound->end_offset)
        return OK;
    bound->end_offset = entry->offset;
    if (bound->high_watermark > entry->offset)
        bound->high_watermark = entry->offset;
    bound->segment_base_offset = entry->segment_base_offset;
    bound->pos = entry->pos;
    facts->cut_number = facts->entry_count;
    forget_prefix(facts);
    return OK;
}

enum err scan_note_entry(struct journal_scan *scan, const struct journal_entry *entry,
                         const uint8_t *content)
{
    struct journal_facts *facts = find_facts(scan, &entry->topic_id, entry->partition);

    if (facts == NULL)
        facts = add_facts(scan, entry);
    if (facts == NULL)
        return ERR_NOMEM;
    facts->entry_count++;
    facts->last_piece = scan->piece_count - 1;
    return facts->has_bound ? move_bound(facts, entry, content) : OK;
}

void scan_forget_entries(struct journal_scan *scan)
{
    size_t cursor = 0;
    struct journal_facts *facts;

    while ((facts = hash_map_next(&scan->partitions, &cursor)) != NULL) {
        hash_map_remove(&scan->partitions, facts, KEY_BYTES);
        forget_prefix(facts);
        mem_free(facts);
    }
    hash_map_deinit(&scan->partitions);
}

struct journal_facts *journal_scan_take(struct journal_scan *scan, const struct uuid *topic_id,
                                        int32_t partition)
{
    struct journal_facts *found = find_facts(scan, topic_id, partition);

    if (found != NULL)
        found->taken = true;
    return found;
}

void journal_scan_each_left(struct journal_scan *scan,
                            void (*visit)(void *context, const struct journal_facts *facts),
                            void *context)
{
    size_t cursor = 0;
    struct journal_facts *facts;

    while ((facts = hash_map_next(&scan->partitions, &cursor)) != NULL) {
        if (!facts->taken)
            visit(context, facts);
    }
}

/* ---- the second reading */

struct replaying {
    struct journal_scan *scan;
    struct journal_facts *only; /* or NULL */
    const struct journal_replayer *to;
};

static enum err replay_entry(const struct replaying *replaying, const struct journal_replay *replay)
{
    struct journal_facts *facts =
        find_facts(replaying->scan, &replay->entry.topic_id, replay->entry.partition);

    check(facts != NULL); /* the first reading has seen it */
    if (replaying->only != NULL && replaying->only != facts)
        return OK;
    facts->number++;
    return replaying->to->visit(replaying->to->context, facts, replay);
}

static enum err replay_group(const struct replaying *replaying, const struct scan_extent *extent,
                             uint64_t group_pos, const struct journal_group_head *head)
{
    const uint8_t *group = extent->buf->bytes + group_pos;
    struct journal_replay replay = {.buf = extent->buf};
    uint32_t pos = JOURNAL_GROUP_HEAD_BYTES;
    enum err err = OK;

    while (err == OK && journal_format_next_entry(group, head->size_bytes, &pos, &replay.entry,
                                                  &replay.prefix) == OK) {
        replay.payload = replay.prefix + replay.entry.prefix_bytes;
        err = replay_entry(replaying, &replay);
    }
    return err;
}

/* What was believed has to be there still. */
static enum err replay_piece(const struct replaying *replaying, const struct scan_piece *piece)
{
    struct journal_scan *scan = replaying->scan;
    struct scan_extent *extent = &scan->extents[piece->extent_index];
    uint64_t sequence = piece->first_sequence;
    uint64_t pos = piece->pos;
    enum err err = extent->kept ? OK : scan_extent_reopen(&scan->source, extent);

    while (err == OK && pos < piece->end_pos) {
        struct journal_group_head head;
        err = scan_extent_group(&scan->source, extent, pos, &head);
        if (err == OK && (head.sequence != sequence || head.salt != piece->shard->salt))
            err = ERR_CORRUPT;
        if (err == OK)
            err = replay_group(replaying, extent, pos, &head);
        if (err == OK)
            pos += journal_format_round_up(head.size_bytes);
        sequence++;
    }
    if (err == OK)
        err = replaying->to->rest(replaying->to->context);
    scan_extent_close(&scan->source, extent);
    if (extent->kept)
        scan->kept_bytes -= buf_cost_bytes(extent->buf);
    scan_extent_drop(extent);
    return err == ERR_MALFORMED ? ERR_CORRUPT : err;
}

enum err journal_scan_replay(struct journal_scan *scan, struct journal_facts *only,
                             const struct journal_replayer *to)
{
    const struct replaying replaying = {.scan = scan, .only = only, .to = to};
    uint32_t end = only != NULL ? only->last_piece + 1 : scan->piece_count;
    size_t cursor = 0;
    struct journal_facts *facts;
    enum err err = OK;

    while ((facts = hash_map_next(&scan->partitions, &cursor)) != NULL)
        facts->number = 0;
    for (uint32_t i = only != NULL ? only->first_piece : 0; i < end && err == OK; i++)
        if (scan->pieces[i].pos < scan->pieces[i].end_pos)
            err = replay_piece(&replaying, &scan->pieces[i]);
    return err;
}
