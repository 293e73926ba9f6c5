/* produce_transaction: what a Produce request means for the transaction that it writes in; for
 * handlers/produce.c alone.
 *
 * Of the request, or on the partition's shard; holds nothing.
 * Sources: Kafka's KafkaApis.handleProduceRequest, ReplicaManager.handleProduceAppend; KIP-890. */
#ifndef LEVEE_BROKER_HANDLERS_PRODUCE_TRANSACTION_H
#define LEVEE_BROKER_HANDLERS_PRODUCE_TRANSACTION_H

#include "broker/partition.h"
#include "broker/produce_registration.h"
#include "broker/request.h"

/* At home, before anything is appended: KAFKA_NONE, or the answer for all of the request.
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED: it has a batch of a transaction, and no transactional id
 * or none that the client may write with; INVALID_PRODUCER_ID_MAPPING: of two producers or epochs.
 */
int16_t produce_transaction_check(const struct request *request);

/* The text beside that answer; NULL: none. */
const char *produce_transaction_check_message(int16_t error_code);

/* By the version of the request: does its batch put the partition into the transaction (KIP-890)?
 */
static inline bool produce_transaction_adds(int16_t version)
{
    return version >= 12;
}

/* The rules for a batch of this version, in a transaction or not.  bytes: its beginning. */
struct producer_rules produce_transaction_rules(int16_t version, uint64_t owner,
                                                const uint8_t *bytes, uint32_t size_bytes);

/* The batch, as the client sent it, comes to partition: is the coordinator to be asked first? True:
 * *ask_out is what to ask.  False: it is not of a transaction; or the partition's own state, or the
 * configuration, says all (then *is_registered_out: it counts as registered). */
bool produce_transaction_asks(const struct request *request, const struct partition *partition,
                              const uint8_t *bytes, uint32_t size_bytes,
                              struct produce_registration_ask *ask_out, bool *is_registered_out);

/* What the producer hears when the coordinator said error, not KAFKA_NONE. */
int16_t produce_transaction_error(int16_t error, int16_t version);

/* ... and the text beside it; NULL: none.  produce_error: of produce_transaction_error. */
const char *produce_transaction_message(int16_t error, int16_t produce_error);

/* Is the batch with this answer of the producer's newest epoch?  What it sent after it has to wait
 * until it comes again (Kafka's VerificationStateEntry keeps the lowest sequence that was asked).
 */
bool produce_transaction_keeps_place(int16_t produce_error);

#endif
