/* client_verdict: what an answer to a batch, or the lack of one, means for it.
 *
 * Stateless.  Kafka's Sender.completeBatch and TransactionManager.canRetry, but stricter in one
 * point: after an attempt whose outcome is not known nothing is sent in another shape or with other
 * numbers until it is known; of the halves of such a batch only what the partition takes with the
 * numbers of the whole is stored anew. */
#ifndef LEVEE_NET_CLIENT_CLIENT_VERDICT_H
#define LEVEE_NET_CLIENT_CLIENT_VERDICT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum client_verdict_what {
    CLIENT_VERDICT_STORED,
    CLIENT_VERDICT_RETRY,
    CLIENT_VERDICT_SPLIT, /* MESSAGE_TOO_LARGE */
    CLIENT_VERDICT_FAIL,
};

/* One attempt of a batch. */
struct client_attempt {
    enum err err;       /* of the call; OK: error_code is the broker's */
    int16_t error_code; /* of the partition */
    bool was_sent;
    bool may_be_stored; /* by an attempt before */
    bool is_numbered;
    bool is_transactional;
    bool is_first;         /* client_part_is_first */
    bool is_divisible;     /* more than one record */
    bool is_half_in_doubt; /* of a whole that may be stored */
};

struct client_verdict {
    enum client_verdict_what what;
    bool may_be_stored; /* by this attempt or one before */
    bool must_renumber; /* it was not stored, and can't be with its numbers */
    bool is_fatal;      /* for the whole producer */
    bool is_stale;      /* metadata is to be asked for */
};

struct client_verdict client_verdict_of(const struct client_attempt *attempt);

/* Errors that end a producer which numbers its records
 * (TransactionManager.maybeTransitionToErrorState). */
bool client_verdict_is_fatal(int16_t error_code);

#endif
