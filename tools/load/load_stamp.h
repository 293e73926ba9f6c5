/* load_stamp: what each record of a load carries, so that whoever reads it can account for it.
 *
 * At the front of the value, big-endian, LOAD_STAMP_BYTES:
 *    0  u64  checksum: XXH3-64 of the rest of the value, from 8 to its end; if there is a key,
 *            XXH3-64 of the key with that as its seed
 *    8  u32  magic 0x4c56454c ("LVEL")
 *   12  u32  run: which run of the tool
 *   16  u32  producer: number of the producer in the run
 *   20  u32  epoch: rises each time that the producer begins anew (a restart of the tool)
 *   24  u64  sequence: of this producer, over all its partitions, from 0
 *   32  u64  intended time, nanoseconds since 1970 by the wall clock of the producer
 *   40  u64  transaction: number of the transaction of this producer, from 1; 0: none
 *   48  u32  index of the record in its transaction, from 0
 *   52  u32  number of records of the transaction, if it is whole; 0: not known
 *   56  u64  partition sequence: of this producer in this partition, from 0
 * The rest of the value is payload.  Stateless. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_STAMP_H
#define LEVEE_TOOLS_LOAD_LOAD_STAMP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { LOAD_STAMP_BYTES = 64 };

struct load_stamp {
    uint32_t run;
    uint32_t producer;
    uint32_t epoch;
    uint64_t sequence;
    uint64_t intended_ns;
    uint64_t transaction;
    uint32_t index;
    uint32_t index_count;
    uint64_t partition_sequence;
};

/* Write it in front of value, whose payload lies behind it already; size_bytes of the whole value,
 * at least LOAD_STAMP_BYTES.  key_bytes -1: none. */
void load_stamp_write(uint8_t *value, size_t size_bytes, const void *key, int32_t key_bytes,
                      const struct load_stamp *stamp);

/* ERR_NOT_FOUND: no stamp (a foreign record).  ERR_CORRUPT: the checksum is wrong. */
must_use enum err load_stamp_read(const uint8_t *value, size_t size_bytes, const void *key,
                                  int32_t key_bytes, struct load_stamp *out);

#endif
