/* verify_compare: are two topics the same, record by record, as readers of committed records see
 * them?
 *
 * Blocking; reads one partition of both at a time, so that memory does not grow with them.  The
 * first difference of each partition is told.
 *   VCM-1  records are compared by their order; what is compared beside it says fields */
#ifndef LEVEE_TOOLS_LOAD_VERIFY_COMPARE_H
#define LEVEE_TOOLS_LOAD_VERIFY_COMPARE_H

#include "tools/load/verify_source.h"

enum verify_field {
    VERIFY_FIELD_OFFSET = 1,
    VERIFY_FIELD_TIMESTAMP = 2,
    VERIFY_FIELD_KEY = 4,
    VERIFY_FIELD_VALUE = 8,
    VERIFY_FIELD_HEADERS = 16,
    VERIFY_FIELD_ALL = 31,
};

/* "offset", ... of one field. */
const char *verify_field_text(enum verify_field field);

/* Names between commas, as bits.  ERR_INVALID: one of them is none. */
must_use enum err verify_fields_parse(const char *text, uint32_t *fields_out);

/* The first field in which two records differ; 0: they are equal. */
uint32_t verify_compare_records(const struct client_fetched_record *a,
                                const struct client_fetched_record *b, uint32_t fields);

struct verify_difference {
    bool is_different;
    uint32_t field;           /* 0: one of them ends */
    int64_t offset, offset_b; /* of the records; -1: it has no more */
    char text[200];
};

/* One partition of both.  records_out: how many were equal.  progress (may be NULL) is called now
 * and then.  Errors as verify_source_next; which says which of the two has failed (0 or 1). */
must_use enum err verify_compare_partition(struct verify_source sources[2], int32_t partition,
                                           uint32_t fields, struct verify_difference *out,
                                           uint64_t *records_out, int *which,
                                           void (*progress)(void *context, uint64_t records),
                                           void *context);

#endif
