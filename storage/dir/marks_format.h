/* marks_format: the bytes of a marks slot.
 *
 * All integers little endian:
 *      0  u32  magic "LVMK"
 *      4  u16  format version, 3
 *      6  u16  flags: 1 clean
 *      8  u64  XXH3-64 of the first size_bytes bytes with this field zero
 *     16  u64  size_bytes: 128 + 72 * count; what lies behind in the file does not count
 *     24  u64  generation
 *     32  u64  first sequence, >= 1
 *     40  u32  recovery epoch
 *     44  u32  shard
 *     48  u32  count
 *     52  u32  number of shards; 0: not said
 *     56  u64  salt of the journal; 0: not said
 *     64  u64  number of the extent that holds the first sequence; 0: not said
 *     72  zeros
 *    128  the marks:
 *          0  topic id, 16 bytes
 *         16  i32  partition
 *         20  u32  zero
 *         24  i64  log start offset
 *         32  i64  end offset
 *         40  i64  segment base offset
 *         48  u64  pos
 *         56  i64  window offset
 *         64  i64  high watermark, <= end offset
 * Magic, version, checksum and size_bytes stay where they are in every later version.  Versions 1
 * and 2 are still read: their marks have 64 bytes, and the high watermark was taken to be the end
 * offset; version 1 has 64 bytes of header, whose last 8 are zero.  Any thread; holds nothing.  Why
 * by hand: docs/decisions/0001-own-small-files.md. */
#ifndef LEVEE_STORAGE_DIR_MARKS_FORMAT_H
#define LEVEE_STORAGE_DIR_MARKS_FORMAT_H

#include "base/err.h"
#include "storage/dir/marks.h"

#include <stddef.h>
#include <stdint.h>

enum {
    MARKS_HEAD_BYTES = 128,
    MARKS_OLD_HEAD_BYTES = 64, /* of version 1, and the least of any */
    MARKS_MARK_BYTES = 72,
    MARKS_OLD_MARK_BYTES = 64, /* of versions 1 and 2 */
};

static inline size_t marks_format_size(uint32_t count)
{
    return MARKS_HEAD_BYTES + (size_t)count * MARKS_MARK_BYTES;
}

/* marks_format_size(marks->count) bytes; generation stands for the one in marks. */
void marks_format_encode(const struct marks *marks, uint64_t generation, uint8_t *out);

/* out->marks is for mem_free.  ERR_CORRUPT: not marks, or damaged; ERR_NEWER_FORMAT; ERR_NOMEM. */
must_use enum err marks_format_decode(const uint8_t *bytes, size_t size_bytes, struct marks *out);

/* "marks-<shard>-<slot>.levee"; the inverse says ERR_NOT_FOUND for any other name. */
enum { MARKS_NAME_MAX = 32, MARKS_SLOT_COUNT = 2 };
void marks_format_name(char out[static MARKS_NAME_MAX], uint32_t shard, uint32_t slot);
must_use enum err marks_format_parse_name(const char *name, uint32_t *shard_out,
                                          uint32_t *slot_out);

#endif
