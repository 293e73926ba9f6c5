#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include "storage/dir/marks_format.h"

#include "base/mem.h"
#include "record/little_endian.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum {
    MAGIC = 0x4b4d564c, /* "LVMK" */
    VERSION = 3,
    VERSION_SHORT_MARKS = 2,
    VERSION_SHORT_HEAD = 1,
    FLAG_CLEAN = 1,
    CHECKSUM_AT = 8,
};

static uint64_t checksum_of(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t head[MARKS_OLD_HEAD_BYTES];
    XXH3_state_t state;

    memcpy(head, bytes, sizeof(head));
    little_endian_put_u64(head + CHECKSUM_AT, 0);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, head, sizeof(head));
    XXH3_64bits_update(&state, bytes + sizeof(head), size_bytes - sizeof(head));
    return XXH3_64bits_digest(&state);
}

static void put_mark(uint8_t *out, const struct mark *mark)
{
    memcpy(out, mark->topic_id.bytes, 16);
    little_endian_put_u32(out + 16, (uint32_t)mark->partition);
    little_endian_put_u32(out + 20, 0);
    little_endian_put_u64(out + 24, (uint64_t)mark->log_start_offset);
    little_endian_put_u64(out + 32, (uint64_t)mark->end_offset);
    little_endian_put_u64(out + 40, (uint64_t)mark->segment_base_offset);
    little_endian_put_u64(out + 48, mark->pos);
    little_endian_put_u64(out + 56, (uint64_t)mark->window_offset);
    little_endian_put_u64(out + 64, (uint64_t)mark->high_watermark);
}

static void get_mark(const uint8_t *bytes, uint64_t mark_bytes, struct mark *out)
{
    memcpy(out->topic_id.bytes, bytes, 16);
    out->partition = (int32_t)little_endian_get_u32(bytes + 16);
    out->log_start_offset = (int64_t)little_endian_get_u64(bytes + 24);
    out->end_offset = (int64_t)little_endian_get_u64(bytes + 32);
    out->segment_base_offset = (int64_t)little_endian_get_u64(bytes + 40);
    out->pos = little_endian_get_u64(bytes + 48);
    out->window_offset = (int64_t)little_endian_get_u64(bytes + 56);
    out->high_watermark = mark_bytes == MARKS_MARK_BYTES
                              ? (int64_t)little_endian_get_u64(bytes + 64)
                              : out->end_offset;
}

void marks_format_encode(const struct marks *marks, uint64_t generation, uint8_t *out)
{
    size_t size_bytes = marks_format_size(marks->count);

    memset(out, 0, MARKS_HEAD_BYTES);
    little_endian_put_u32(out, MAGIC);
    little_endian_put_u16(out + 4, VERSION);
    little_endian_put_u16(out + 6, marks->clean ? FLAG_CLEAN : 0);
    little_endian_put_u64(out + 16, size_bytes);
    little_endian_put_u64(out + 24, generation);
    little_endian_put_u64(out + 32, marks->first_sequence);
    little_endian_put_u32(out + 40, marks->recovery_epoch);
    little_endian_put_u32(out + 44, marks->shard);
    little_endian_put_u32(out + 48, marks->count);
    little_endian_put_u32(out + 52, marks->shard_count);
    little_endian_put_u64(out + 56, marks->salt);
    little_endian_put_u64(out + 64, marks->extent_number);
    for (uint32_t i = 0; i < marks->count; i++)
        put_mark(out + marks_format_size(i), &marks->marks[i]);
    little_endian_put_u64(out + CHECKSUM_AT, checksum_of(out, size_bytes));
}

/* Positions that no log can have are not believed, whatever the checksum says. */
static bool is_possible(const struct mark *mark)
{
    return mark->partition >= 0 && mark->log_start_offset >= 0 && mark->end_offset >= 0 &&
           mark->segment_base_offset >= 0 && mark->window_offset >= -1 &&
           mark->high_watermark >= 0 && mark->high_watermark <= mark->end_offset;
}

enum err marks_format_decode(const uint8_t *bytes, size_t size_bytes, struct marks *out)
{
    struct marks marks;
    uint64_t own_bytes;
    uint64_t head_bytes;
    uint64_t mark_bytes;
    uint16_t version;

    if (size_bytes < MARKS_OLD_HEAD_BYTES || little_endian_get_u32(bytes) != MAGIC)
        return ERR_CORRUPT;
    own_bytes = little_endian_get_u64(bytes + 16);
    if (own_bytes < MARKS_OLD_HEAD_BYTES || own_bytes > size_bytes ||
        checksum_of(bytes, own_bytes) != little_endian_get_u64(bytes + CHECKSUM_AT))
        return ERR_CORRUPT;
    version = little_endian_get_u16(bytes + 4);
    if (version > VERSION)
        return ERR_NEWER_FORMAT;
    head_bytes = version > VERSION_SHORT_HEAD ? MARKS_HEAD_BYTES : MARKS_OLD_HEAD_BYTES;
    mark_bytes = version > VERSION_SHORT_MARKS ? MARKS_MARK_BYTES : MARKS_OLD_MARK_BYTES;
    marks = (struct marks){
        .shard = little_endian_get_u32(bytes + 44),
        .generation = little_endian_get_u64(bytes + 24),
        .recovery_epoch = little_endian_get_u32(bytes + 40),
        .first_sequence = little_endian_get_u64(bytes + 32),
        .clean = (little_endian_get_u16(bytes + 6) & FLAG_CLEAN) != 0,
        .count = little_endian_get_u32(bytes + 48),
        .shard_count = little_endian_get_u32(bytes + 52),
    };
    if (own_bytes != head_bytes + marks.count * mark_bytes || marks.first_sequence == 0)
        return ERR_CORRUPT;
    if (head_bytes == MARKS_HEAD_BYTES) {
        marks.salt = little_endian_get_u64(bytes + 56);
        marks.extent_number = little_endian_get_u64(bytes + 64);
    }
    marks.marks = mem_try_alloc(marks.count * sizeof(struct mark));
    if (marks.marks == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < marks.count; i++) {
        get_mark(bytes + head_bytes + i * mark_bytes, mark_bytes, &marks.marks[i]);
        if (!is_possible(&marks.marks[i])) {
            mem_free(marks.marks);
            return ERR_CORRUPT;
        }
    }
    *out = marks;
    return OK;
}

void marks_format_name(char out[static MARKS_NAME_MAX], uint32_t shard, uint32_t slot)
{
    snprintf(out, MARKS_NAME_MAX, "marks-%" PRIu32 "-%" PRIu32 ".levee", shard, slot);
}

enum err marks_format_parse_name(const char *name, uint32_t *shard_out, uint32_t *slot_out)
{
    char again[MARKS_NAME_MAX];
    uint32_t shard;
    uint32_t slot;

    if (sscanf(name, "marks-%" SCNu32 "-%" SCNu32 ".levee", &shard, &slot) != 2 ||
        slot >= MARKS_SLOT_COUNT)
        return ERR_NOT_FOUND;
    marks_format_name(again, shard, slot);
    if (strcmp(again, name) != 0)
        return ERR_NOT_FOUND;
    *shard_out = shard;
    *slot_out = slot;
    return OK;
}
