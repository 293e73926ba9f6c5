/* producer_append: one batch and what its log knows of producers, by whichever way it comes.
 *
 * Every batch that is in a log, or is to be, passes here: a leader's, one taken verbatim, and those
 * that a start reads again, from the journal or from segments.  So all of them leave the same state
 * behind.  It finds the marker of a control batch itself; of one without records there is none.
 * Lives within one append, on the log's loop; holds nothing.  Rules: producer_state.h; markers:
 * KIP-98. */
#ifndef LEVEE_STORAGE_LOG_PRODUCER_APPEND_H
#define LEVEE_STORAGE_LOG_PRODUCER_APPEND_H

#include "storage/log/producer_state.h"

struct producer_append {
    /* in */
    struct producer_rules rules; /* of its origin, and who brings it */
    /* out of producer_append_check */
    struct producer_check check; /* is it there already? */
    /* inside */
    struct control_marker marker;
    bool has_marker; /* it ends a transaction */
};

/* May the batch be appended?  bytes: all of it; header: parsed from them, its offsets do not count
 * yet.  Changes nothing that can be seen.  The errors of producer_state_check; ERR_CORRUPT: a
 * control batch of a producer that cannot be read, but not with PRODUCER_REPLAY: what is in the log
 * counts, and such a batch ends nothing. */
must_use enum err producer_append_check(struct producer_state *ps, const uint8_t *bytes,
                                        const struct batch_header *header,
                                        struct producer_append *append);

/* It is in the log, with the offsets of header; append was checked last of all.  now_ms: wall
 * clock.  True: a transaction ended, *completed_out (may be NULL) says which. */
bool producer_append_apply(struct producer_state *ps, const struct batch_header *header,
                           const struct producer_append *append, int64_t now_ms,
                           struct producer_completed *completed_out);

/* Both, for a batch that is in the log (PRODUCER_REPLAY).  owner: who brought it, as far as that is
 * known (producer_shares.h).  *completed_out (may be NULL): producer_id -1 when no transaction
 * ended.  ERR_NOMEM. */
must_use enum err producer_append_replay(struct producer_state *ps, const uint8_t *bytes,
                                         const struct batch_header *header, uint64_t owner,
                                         int64_t now_ms, struct producer_completed *completed_out);

#endif
