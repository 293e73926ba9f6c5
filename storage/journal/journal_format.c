#include "storage/journal/journal_format.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "record/little_endian.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MAGIC = 0x474a564c, /* "LVJG" */
    VERSION = 1,
    CHECKSUM_AT = 8,
};

static void put_head(uint8_t *out, const struct journal_group_head *head)
{
    memset(out, 0, JOURNAL_GROUP_HEAD_BYTES);
    little_endian_put_u32(out, MAGIC);
    little_endian_put_u16(out + 4, VERSION);
    little_endian_put_u32(out + 16, head->size_bytes);
    little_endian_put_u32(out + 20, head->shard);
    little_endian_put_u64(out + 24, head->sequence);
    little_endian_put_u64(out + 32, head->durable_sequence);
    little_endian_put_u64(out + 40, head->salt);
    little_endian_put_u32(out + 48, head->recovery_epoch);
    little_endian_put_u32(out + 52, head->entry_count);
}

void journal_format_seal(const struct journal_group_head *head, const struct iovec *vec,
                         uint32_t vec_count)
{
    uint64_t left_bytes = head->size_bytes;
    uint32_t crc = 0;

    check(vec_count > 0 && vec[0].iov_len >= JOURNAL_GROUP_HEAD_BYTES);
    put_head(vec[0].iov_base, head);
    for (uint32_t i = 0; i < vec_count; i++) {
        size_t part_bytes = vec[i].iov_len < left_bytes ? vec[i].iov_len : left_bytes;
        crc = crc32c(crc, vec[i].iov_base, part_bytes);
        left_bytes -= part_bytes;
    }
    check(left_bytes == 0);
    little_endian_put_u32((uint8_t *)vec[0].iov_base + CHECKSUM_AT, crc);
}

enum err journal_format_read_head(const uint8_t *bytes, uint64_t room_bytes,
                                  struct journal_group_head *out)
{
    struct journal_group_head head = {
        .checksum = little_endian_get_u32(bytes + CHECKSUM_AT),
        .size_bytes = little_endian_get_u32(bytes + 16),
        .shard = little_endian_get_u32(bytes + 20),
        .sequence = little_endian_get_u64(bytes + 24),
        .durable_sequence = little_endian_get_u64(bytes + 32),
        .salt = little_endian_get_u64(bytes + 40),
        .recovery_epoch = little_endian_get_u32(bytes + 48),
        .entry_count = little_endian_get_u32(bytes + 52),
    };
    uint16_t version = little_endian_get_u16(bytes + 4);

    if (little_endian_get_u32(bytes) != MAGIC || head.size_bytes < JOURNAL_GROUP_HEAD_BYTES ||
        head.size_bytes > room_bytes || version == 0)
        return ERR_MALFORMED;
    *out = head;
    if (version > VERSION)
        return ERR_NEWER_FORMAT;
    return head.entry_count <= head.size_bytes / JOURNAL_ENTRY_HEAD_BYTES ? OK : ERR_MALFORMED;
}

enum err journal_format_verify(const uint8_t *bytes, const struct journal_group_head *head)
{
    uint8_t first[JOURNAL_GROUP_HEAD_BYTES];
    uint32_t crc;

    memcpy(first, bytes, sizeof(first));
    little_endian_put_u32(first + CHECKSUM_AT, 0);
    crc = crc32c(0, first, sizeof(first));
    crc = crc32c(crc, bytes + sizeof(first), head->size_bytes - sizeof(first));
    return crc == head->checksum ? OK : ERR_CORRUPT;
}

void journal_format_put_entry(uint8_t *out, const struct journal_entry *entry)
{
    little_endian_put_u32(out, entry->owner << 8 | entry->kind);
    little_endian_put_u32(out + 4, (uint32_t)entry->partition);
    memcpy(out + 8, entry->topic_id.bytes, 16);
    little_endian_put_u64(out + 24, (uint64_t)entry->offset);
    little_endian_put_u64(out + 32, (uint64_t)entry->end_offset);
    little_endian_put_u64(out + 40, (uint64_t)entry->segment_base_offset);
    little_endian_put_u64(out + 48, entry->pos);
    little_endian_put_u32(out + 56, entry->prefix_bytes);
    little_endian_put_u32(out + 60, entry->payload_bytes);
}

enum err journal_format_next_entry(const uint8_t *group, uint32_t size_bytes, uint32_t *pos,
                                   struct journal_entry *out, const uint8_t **content_out)
{
    uint64_t at = *pos;
    const uint8_t *head;
    uint64_t content_bytes;

    if (at < size_bytes && group[at] == 0 && at % IO_ALIGN != 0)
        at = journal_format_round_up(at); /* a gap */
    if (at >= size_bytes)
        return ERR_NOT_FOUND;
    head = group + at;
    if (size_bytes - at < JOURNAL_ENTRY_HEAD_BYTES || head[0] < JOURNAL_APPEND ||
        head[0] > JOURNAL_TRUNCATE)
        return ERR_MALFORMED;
    *out = (struct journal_entry){
        .partition = (int32_t)little_endian_get_u32(head + 4),
        .kind = head[0],
        .owner = little_endian_get_u32(head) >> 8,
        .offset = (int64_t)little_endian_get_u64(head + 24),
        .end_offset = (int64_t)little_endian_get_u64(head + 32),
        .segment_base_offset = (int64_t)little_endian_get_u64(head + 40),
        .pos = little_endian_get_u64(head + 48),
        .prefix_bytes = little_endian_get_u32(head + 56),
        .payload_bytes = little_endian_get_u32(head + 60),
    };
    memcpy(out->topic_id.bytes, head + 8, 16);
    if (out->partition < 0 || out->offset < 0 || out->end_offset < 0 ||
        out->segment_base_offset < 0)
        return ERR_MALFORMED; /* no log can have them */
    at += JOURNAL_ENTRY_HEAD_BYTES;
    content_bytes = (uint64_t)out->prefix_bytes + out->payload_bytes;
    if (content_bytes > size_bytes - at)
        return ERR_MALFORMED;
    *content_out = group + at;
    *pos = (uint32_t)(at + content_bytes);
    return OK;
}

void journal_format_name(char out[static JOURNAL_NAME_MAX], uint32_t shard, uint64_t number)
{
    snprintf(out, JOURNAL_NAME_MAX, "journal-%" PRIu32 "-%" PRIu64 ".levee", shard, number);
}

enum err journal_format_parse_name(const char *name, uint32_t *shard_out, uint64_t *number_out)
{
    char again[JOURNAL_NAME_MAX];
    uint32_t shard;
    uint64_t number;

    if (sscanf(name, "journal-%" SCNu32 "-%" SCNu64 ".levee", &shard, &number) != 2)
        return ERR_NOT_FOUND;
    journal_format_name(again, shard, number);
    if (strcmp(again, name) != 0)
        return ERR_NOT_FOUND; /* "+1", "007", or something behind */
    *shard_out = shard;
    *number_out = number;
    return OK;
}
