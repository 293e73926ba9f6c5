#include "storage/journal/journal_group.h"

#include "base/check.h"
#include "storage/journal/journal_format.h"

#include <string.h>

enum { BUF_BYTES_MIN = 16 << 10 };

void journal_memory_init(struct journal_memory *memory, struct slab *slab, uint32_t group_max_bytes)
{
    *memory = (struct journal_memory){
        .slab = slab,
        .hint_bytes = BUF_BYTES_MIN,
        .hint_max_bytes = group_max_bytes > BUF_BYTES_MIN ? group_max_bytes : BUF_BYTES_MIN,
    };
}

void journal_memory_deinit(struct journal_memory *memory)
{
    buf_unref(memory->buf);
    *memory = (struct journal_memory){0};
}

void journal_group_init(struct journal_group *group, struct journal *journal, uint64_t sequence)
{
    *group = (struct journal_group){.journal = journal, .sequence = sequence, .relaxed = true};
}

void journal_group_deinit(struct journal_group *group)
{
    for (uint32_t i = 0; i < group->piece_count; i++)
        buf_unref(group->bufs[i]);
    group->piece_count = 0;
}

static uint32_t round_up(uint32_t size_bytes)
{
    return (uint32_t)journal_format_round_up(size_bytes);
}

static uint32_t power_of_two_from(uint32_t size_bytes, uint32_t max_bytes)
{
    uint32_t power = BUF_BYTES_MIN;

    while (power < size_bytes && power < max_bytes)
        power *= 2;
    return power;
}

static uint32_t room_in_buf(const struct journal_memory *memory)
{
    return memory->buf != NULL ? memory->buf->capacity_bytes - memory->used_bytes : 0;
}

uint64_t journal_group_size_with(const struct journal_group *group,
                                 const struct journal_memory *memory, uint32_t entry_bytes)
{
    if (group->entry_count == 0)
        return (uint64_t)JOURNAL_GROUP_HEAD_BYTES + entry_bytes;
    if (room_in_buf(memory) >= entry_bytes)
        return (uint64_t)group->size_bytes + entry_bytes;
    if (group->piece_count == JOURNAL_GROUP_PIECES_MAX)
        return UINT64_MAX;
    return journal_format_round_up(group->size_bytes) + entry_bytes;
}

/* Zeros up to the next multiple of IO_ALIGN: there the next piece or group begins. */
static void pad_piece(struct journal_group *group, struct journal_memory *memory)
{
    struct iovec *last = &group->vec[group->piece_count - 1];
    uint32_t pad_bytes = round_up(memory->used_bytes) - memory->used_bytes;

    memset(memory->buf->bytes + memory->used_bytes, 0, pad_bytes);
    memory->used_bytes += pad_bytes;
    last->iov_len += pad_bytes;
}

enum err journal_group_reserve(struct journal_group *group, struct journal_memory *memory,
                               uint32_t entry_bytes)
{
    bool first = group->entry_count == 0;
    uint32_t need_bytes = round_up(first ? entry_bytes + JOURNAL_GROUP_HEAD_BYTES : entry_bytes);
    uint32_t wish_bytes =
        power_of_two_from(first ? memory->hint_bytes : group->size_bytes, memory->hint_max_bytes);
    struct buf *buf;

    if (room_in_buf(memory) >= (first ? entry_bytes + JOURNAL_GROUP_HEAD_BYTES : entry_bytes))
        return OK;
    if (wish_bytes < need_bytes)
        wish_bytes = need_bytes;
    buf = buf_create(memory->slab, wish_bytes, IO_ALIGN);
    if (buf == NULL && wish_bytes > need_bytes)
        buf = buf_create(memory->slab, need_bytes, IO_ALIGN);
    if (buf == NULL) /* who holds the limit gives it back; what the kernel refuses, nobody does */
        return budget_room_bytes(&memory->slab->budget) < need_bytes ? ERR_AGAIN : ERR_NOMEM;
    if (!first) {
        pad_piece(group, memory); /* JGR-2 */
        group->size_bytes = round_up(group->size_bytes);
    }
    buf_unref(memory->buf);
    memory->buf = buf;
    memory->used_bytes = 0;
    return OK;
}

static void begin_piece(struct journal_group *group, struct journal_memory *memory)
{
    uint32_t index = group->piece_count++;

    check(index < JOURNAL_GROUP_PIECES_MAX && memory->used_bytes % IO_ALIGN == 0);
    group->bufs[index] = buf_ref(memory->buf);
    group->vec[index] =
        (struct iovec){.iov_base = memory->buf->bytes + memory->used_bytes, .iov_len = 0};
}

static uint8_t *extend_piece(struct journal_group *group, struct journal_memory *memory,
                             uint32_t size_bytes)
{
    uint8_t *bytes = memory->buf->bytes + memory->used_bytes;

    check(room_in_buf(memory) >= size_bytes);
    memory->used_bytes += size_bytes;
    group->vec[group->piece_count - 1].iov_len += size_bytes;
    group->size_bytes += size_bytes;
    return bytes;
}

uint8_t *journal_group_add(struct journal_group *group, struct journal_memory *memory,
                           uint32_t entry_bytes)
{
    if (group->entry_count == 0) {
        begin_piece(group, memory);
        (void)extend_piece(group, memory, JOURNAL_GROUP_HEAD_BYTES);
    } else if (group->bufs[group->piece_count - 1] != memory->buf) {
        begin_piece(group, memory);
    }
    group->entry_count++;
    return extend_piece(group, memory, entry_bytes);
}

void journal_group_close(struct journal_group *group, struct journal_memory *memory)
{
    check(group->entry_count > 0);
    pad_piece(group, memory);
    memory->hint_bytes /= 2;
    if (memory->hint_bytes < group->size_bytes)
        memory->hint_bytes = group->size_bytes;
}

void journal_group_write(struct journal_group *group, struct io *io,
                         void (*done)(struct whole_write *write, enum err err))
{
    whole_write_vec(&group->write, io, group->fd, group->vec, group->piece_count, group->pos,
                    !group->relaxed, IO_ALIGN, done);
}

uint64_t journal_group_written_bytes(const struct journal_group *group)
{
    return group->write.pos - group->pos;
}
