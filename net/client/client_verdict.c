#include "net/client/client_verdict.h"

#include "net/protocol/kafka_errors.h"

bool client_verdict_is_fatal(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_CLUSTER_AUTHORIZATION_FAILED:
    case KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case KAFKA_PRODUCER_FENCED:
    case KAFKA_INVALID_PRODUCER_ID_MAPPING:
    case KAFKA_UNSUPPORTED_VERSION:
        return true;
    default:
        return false;
    }
}

/* The broker says so before it appends anything (ReplicaManager.appendRecords,
 * UnifiedLog.append). */
static bool is_surely_refused(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_CORRUPT_MESSAGE:
    case KAFKA_MESSAGE_TOO_LARGE:
    case KAFKA_RECORD_LIST_TOO_LARGE:
    case KAFKA_INVALID_TOPIC_EXCEPTION:
    case KAFKA_NOT_ENOUGH_REPLICAS:
    case KAFKA_INVALID_REQUIRED_ACKS:
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
    case KAFKA_CLUSTER_AUTHORIZATION_FAILED:
    case KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case KAFKA_INVALID_TIMESTAMP:
    case KAFKA_UNSUPPORTED_VERSION:
    case KAFKA_INVALID_REQUEST:
    case KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case KAFKA_POLICY_VIOLATION:
    case KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KAFKA_INVALID_PRODUCER_EPOCH:
    case KAFKA_INVALID_TXN_STATE:
    case KAFKA_INVALID_PRODUCER_ID_MAPPING:
    case KAFKA_CONCURRENT_TRANSACTIONS:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_UNKNOWN_PRODUCER_ID:
    case KAFKA_UNSUPPORTED_COMPRESSION_TYPE:
    case KAFKA_INVALID_RECORD:
    case KAFKA_THROTTLING_QUOTA_EXCEEDED:
    case KAFKA_PRODUCER_FENCED:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_INCONSISTENT_TOPIC_ID:
    case KAFKA_TRANSACTION_ABORTABLE:
        return true;
    default:
        return false;
    }
}

/* Kafka's InvalidMetadataException. */
static bool is_stale(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_LEADER_NOT_AVAILABLE:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_REPLICA_NOT_AVAILABLE:
    case KAFKA_NETWORK_EXCEPTION:
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_LISTENER_NOT_FOUND:
    case KAFKA_FENCED_LEADER_EPOCH:
    case KAFKA_UNKNOWN_LEADER_EPOCH:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_INCONSISTENT_TOPIC_ID:
        return true;
    default:
        return false;
    }
}

static struct client_verdict of_no_answer(const struct client_attempt *attempt)
{
    struct client_verdict verdict = {.what = CLIENT_VERDICT_RETRY, .is_stale = true};

    verdict.may_be_stored = attempt->may_be_stored || attempt->was_sent;
    if (attempt->err == ERR_CANCELED || attempt->err == ERR_UNSUPPORTED) {
        verdict.what = CLIENT_VERDICT_FAIL;
        verdict.is_stale = false;
        verdict.is_fatal = attempt->err == ERR_UNSUPPORTED && attempt->is_numbered;
    }
    return verdict;
}

/* Sequences are looked at before anything is appended, and duplicates before those: what is out of
 * order was not stored by an earlier attempt either. */
static bool of_numbers(const struct client_attempt *attempt, struct client_verdict *verdict)
{
    switch (attempt->error_code) {
    case KAFKA_DUPLICATE_SEQUENCE_NUMBER:
        verdict->what = CLIENT_VERDICT_STORED;
        return true;
    case KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER:
        verdict->may_be_stored = false;
        verdict->what = CLIENT_VERDICT_RETRY;
        if (!attempt->is_first) {
            verdict->may_be_stored = attempt->is_half_in_doubt;
            return true; /* it came before the one that has to be tried again */
        }
        if (attempt->is_half_in_doubt)
            verdict->may_be_stored = true; /* as part of the whole, which has other numbers */
        if (attempt->is_transactional || attempt->is_half_in_doubt)
            verdict->what = CLIENT_VERDICT_FAIL;
        else
            verdict->must_renumber = true;
        return true;
    case KAFKA_UNKNOWN_PRODUCER_ID: /* nor does it know what it took from an earlier attempt */
        verdict->may_be_stored = attempt->may_be_stored || attempt->is_half_in_doubt;
        if (attempt->is_transactional || verdict->may_be_stored)
            return true;
        verdict->what = CLIENT_VERDICT_RETRY;
        verdict->must_renumber = true;
        return true;
    default:
        return false;
    }
}

struct client_verdict client_verdict_of(const struct client_attempt *attempt)
{
    struct client_verdict verdict = {.what = CLIENT_VERDICT_FAIL,
                                     .may_be_stored = attempt->may_be_stored};
    int16_t code = attempt->error_code;

    if (attempt->err != OK)
        return of_no_answer(attempt);
    if (code == KAFKA_NONE) {
        verdict.what = CLIENT_VERDICT_STORED;
        return verdict;
    }
    if (attempt->is_numbered && of_numbers(attempt, &verdict))
        return verdict;
    verdict.may_be_stored |= !is_surely_refused(code);
    verdict.is_stale = is_stale(code);
    if (code == KAFKA_MESSAGE_TOO_LARGE && attempt->is_divisible)
        verdict.what = CLIENT_VERDICT_SPLIT;
    else if (attempt->is_numbered && client_verdict_is_fatal(code))
        verdict.is_fatal = true;
    else if (kafka_error_is_retriable(code))
        verdict.what = CLIENT_VERDICT_RETRY;
    return verdict;
}
