/* model_record: the record that carries a value of the history.
 *
 * Key, headers and the bytes of the value are functions of the history's value and of the size, so
 * that whoever reads a record can tell whether it is the one that was sent: null against empty,
 * each byte, each header (DUR-L1).  Plain: no key, no headers, as a seed without the feature has
 * them.  Holds nothing. */
#ifndef LEVEE_TESTS_MODEL_RECORD_H
#define LEVEE_TESTS_MODEL_RECORD_H

#include "record/record.h"
#include "tests/sim/history.h"

enum {
    MODEL_RECORD_NULL = -1, /* as value_bytes */
    MODEL_RECORD_HEADERS_MAX = 3,
    MODEL_RECORD_TEXT_MAX = 24,
};

/* The memory of one record's key and headers. */
struct model_record {
    struct record record; /* points into this struct and into the bytes given */
    struct record_header headers[MODEL_RECORD_HEADERS_MAX];
    uint8_t key[MODEL_RECORD_TEXT_MAX];
    char header_keys[MODEL_RECORD_HEADERS_MAX][MODEL_RECORD_TEXT_MAX];
    uint8_t header_values[MODEL_RECORD_HEADERS_MAX][MODEL_RECORD_TEXT_MAX];
};

/* The record of value.  value_bytes: MODEL_RECORD_NULL, or the size of its value; below
 * HISTORY_VALUE_BYTES_MIN (not when plain) its key tells which one it is.  bytes: room for
 * value_bytes. */
void model_record_make(struct model_record *out, uint64_t value, int32_t value_bytes, bool plain,
                       uint8_t *bytes);

/* The value that a record carries; false: nobody makes such a record. */
bool model_record_read(const struct record *record, bool plain, uint64_t *value_out);

#endif
