/* journal_format: the bytes of a journal group.
 *
 * All integers little endian.  A group begins at a multiple of IO_ALIGN:
 *      0  u32  magic "LVJG"
 *      4  u16  format version, 1
 *      6  u16  zero
 *      8  u32  CRC-32C of the first size_bytes bytes of the group with this field zero
 *     12  u32  zero
 *     16  u32  size_bytes: this header, the entries, and the gaps between them; no final padding
 *     20  u32  shard
 *     24  u64  sequence
 *     32  u64  durable sequence: groups up to it were on stable storage when this one was written
 *     40  u64  salt
 *     48  u32  recovery epoch
 *     52  u32  entry count
 *     56  u64  zero
 *     64  entries; then zeros up to a multiple of IO_ALIGN
 * Magic, version, checksum and size_bytes stay where they are in every later version.
 * An entry:
 *      0  u8   kind; 0: no entry, the next one begins at the next multiple of IO_ALIGN
 *      1  u24  owner of the producer ids in it (journal.h); zero: not known
 *      4  i32  partition
 *      8  topic id, 16 bytes
 *     24  i64  offset
 *     32  i64  end offset
 *     40  i64  segment base offset
 *     48  u64  pos
 *     56  u32  prefix_bytes
 *     60  u32  payload_bytes
 *     64  prefix, payload
 * (The gaps let a group lie in several pieces of memory, each a multiple of IO_ALIGN, while each
 * payload lies in one.)  Any thread; holds nothing. */
#ifndef LEVEE_STORAGE_JOURNAL_JOURNAL_FORMAT_H
#define LEVEE_STORAGE_JOURNAL_JOURNAL_FORMAT_H

#include "base/err.h"
#include "base/io.h"
#include "storage/journal/journal_entry.h"

#include <stdint.h>
#include <sys/uio.h>

enum {
    JOURNAL_GROUP_HEAD_BYTES = 64,
    JOURNAL_ENTRY_HEAD_BYTES = 64,
};

struct journal_group_head {
    uint32_t checksum;
    uint32_t size_bytes;
    uint32_t shard;
    uint64_t sequence;
    uint64_t durable_sequence;
    uint64_t salt;
    uint32_t recovery_epoch;
    uint32_t entry_count;
};

/* Writes the header with its checksum in front of the content.  vec: the group's pieces in order,
 * of which head->size_bytes count (head->checksum does not); the first begins with room for the
 * header. */
void journal_format_seal(const struct journal_group_head *head, const struct iovec *vec,
                         uint32_t vec_count);

/* Read the header of a group of which room_bytes (>= 64) follow.  ERR_MALFORMED: not a group's, or
 * its size is not within room_bytes.  ERR_NEWER_FORMAT: magic and size are good, so the checksum
 * can be asked. */
must_use enum err journal_format_read_head(const uint8_t *bytes, uint64_t room_bytes,
                                           struct journal_group_head *out);

/* Is the checksum right?  head as read from bytes; size_bytes of it are there. */
must_use enum err journal_format_verify(const uint8_t *bytes,
                                        const struct journal_group_head *head);

/* Write 64 bytes. */
void journal_format_put_entry(uint8_t *out, const struct journal_entry *entry);

/* The entry at *pos of a group of size_bytes; *pos moves behind it, *content_out is where its
 * prefix begins.  Start with *pos = JOURNAL_GROUP_HEAD_BYTES.  ERR_NOT_FOUND: no more.
 * ERR_MALFORMED. */
must_use enum err journal_format_next_entry(const uint8_t *group, uint32_t size_bytes,
                                            uint32_t *pos, struct journal_entry *out,
                                            const uint8_t **content_out);

/* "journal-<shard>-<number>.levee"; the inverse says ERR_NOT_FOUND for any other name. */
enum { JOURNAL_NAME_MAX = 48 };
void journal_format_name(char out[static JOURNAL_NAME_MAX], uint32_t shard, uint64_t number);
must_use enum err journal_format_parse_name(const char *name, uint32_t *shard_out,
                                            uint64_t *number_out);

static inline uint64_t journal_format_round_up(uint64_t size_bytes)
{
    return (size_bytes + IO_ALIGN - 1) / IO_ALIGN * IO_ALIGN;
}

#endif
