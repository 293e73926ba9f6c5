/* model_transactor_private: what the parts of a transactor share: its life and its calls
 * (model_transactor), its records (model_transactor_records). */
#ifndef LEVEE_TESTS_MODEL_TRANSACTOR_PRIVATE_H
#define LEVEE_TESTS_MODEL_TRANSACTOR_PRIVATE_H

#include "tests/sim/model_transactor.h"

uint64_t model_transactor_now_ns(const struct model_transactor *transactor);

/* The one request that is under way; its version is drawn between min and max. */
void model_transactor_call(struct model_transactor *transactor, int16_t key, int16_t min,
                           int16_t max, const void *request,
                           void (*done)(struct model_call *, enum err, const void *));

/* Whose call it is, which is over now. */
struct model_transactor *model_transactor_answered(struct model_call *call);

/* An error of an answer: true, there is none.  Otherwise the state says what comes next: the same
 * again, an abort, or a new process. */
bool model_transactor_take_error(struct model_transactor *transactor, int16_t error,
                                 bool is_produce);

void model_transactor_drop_batches(struct model_transactor *transactor);

/* ---- model_transactor_records */

/* A batch for some partitions; the last one of a transaction evens it out. */
void model_transactor_records_make_round(struct model_transactor *transactor);

/* Some are not acknowledged. */
bool model_transactor_records_has_batches(const struct model_transactor *transactor);

/* Does the coordinator know of the transaction? */
bool model_transactor_records_is_begun(const struct model_transactor *transactor);

/* By the first protocol: its partition is to be added first. */
bool model_transactor_records_wants_added(const struct model_transactor *transactor,
                                          uint32_t partition);
void model_transactor_records_add(struct model_transactor *transactor);

/* All batches that there are. */
void model_transactor_records_produce(struct model_transactor *transactor);

#endif
