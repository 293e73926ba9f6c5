/* control_record: what stands in control batches: ends of transactions, marks of the metadata log.
 *
 * Key: int16 version (0), int16 type.  Value of COMMIT and ABORT: int16 version (0), int32
 * coordinator epoch; newer versions only append.  Values of the other types are generated messages
 * that the owner of that log knows.  Any thread; holds nothing.  (KIP-98, KIP-595, KIP-630) */
#ifndef LEVEE_RECORD_CONTROL_RECORD_H
#define LEVEE_RECORD_CONTROL_RECORD_H

#include "base/err.h"
#include "record/batch.h"
#include "record/record.h"

#include <stdbool.h>
#include <stdint.h>

enum control_type {
    CONTROL_ABORT = 0,
    CONTROL_COMMIT = 1,
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
};

enum { CONTROL_KEY_BYTES = 4, CONTROL_END_TXN_VALUE_BYTES = 6 };

struct control_marker {
    bool commit; /* else abort */
    int32_t coordinator_epoch;
};

void control_put_key(uint8_t bytes[static CONTROL_KEY_BYTES], enum control_type type);
void control_put_end_txn_value(uint8_t bytes[static CONTROL_END_TXN_VALUE_BYTES],
                               int32_t coordinator_epoch);

/* Type of a control record; types that we do not know come out as they are.  ERR_MALFORMED: no key,
 * too short, or negative version. */
must_use enum err control_parse_type(const struct record *record, int16_t *type_out);

/* The marker of a whole batch (size checked, checksum checked by the caller) that header was parsed
 * from.  ERR_NOT_FOUND: a control batch of another type, or empty after compaction.
 * ERR_MALFORMED.  Control batches are never compressed: ERR_UNSUPPORTED. */
must_use enum err control_parse_marker(const uint8_t *bytes, const struct batch_header *header,
                                       struct control_marker *out);

#endif
