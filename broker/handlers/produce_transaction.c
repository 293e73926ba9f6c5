#include "broker/handlers/produce_transaction.h"

#include "broker/coordinator/transaction.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_produce.h"

enum { ABORTABLE_VERSION = 11 }; /* the first that knows TRANSACTION_ABORTABLE */

/* Its header, when it is of a transaction of some producer. */
static bool parse(const uint8_t *bytes, uint32_t size_bytes, struct batch_header *out)
{
    return bytes != NULL && batch_parse_header(bytes, size_bytes, out) == OK &&
           batch_is_transactional(out);
}

static bool parse_records(const struct wire_records *records, struct batch_header *out)
{
    return records->slice_count > 0 &&
           parse(records->slices[0].bytes, records->slices[0].size_bytes, out);
}

/* ---- the request */

static bool may_write(const struct request *request, struct wire_string id)
{
    return id.text != NULL &&
           request_may(request, KAFKA_ACL_OPERATION_WRITE, KAFKA_ACL_RESOURCE_TYPE_TRANSACTIONAL_ID,
                       id.text, (size_t)id.size_bytes);
}

int16_t produce_transaction_check(const struct request *request)
{
    const struct produce_request *body = request->body;
    struct batch_header first = {.producer_id = BATCH_NO_PRODUCER_ID};
    struct batch_header header;
    bool is_transactional = false;
    bool is_mixed = false;

    for (int32_t t = 0; t < body->topic_data.count; t++) {
        const struct produce_request_topic_produce_data *topic = &body->topic_data.items[t];
        for (int32_t p = 0; p < topic->partition_data.count; p++) {
            if (!parse_records(&topic->partition_data.items[p].records, &header))
                continue;
            is_transactional = true;
            if (!batch_has_producer(&header))
                continue; /* refused by itself */
            if (!batch_has_producer(&first))
                first = header;
            is_mixed |= header.producer_id != first.producer_id ||
                        header.producer_epoch != first.producer_epoch;
        }
    }
    if (is_transactional && !may_write(request, body->transactional_id))
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return is_mixed ? KAFKA_INVALID_PRODUCER_ID_MAPPING : KAFKA_NONE;
}

const char *produce_transaction_check_message(int16_t error_code)
{
    return error_code == KAFKA_INVALID_PRODUCER_ID_MAPPING
               ? "Transactional records contained more than one producer ID"
               : NULL;
}

/* ---- a batch */

struct producer_rules produce_transaction_rules(int16_t version, uint64_t owner,
                                                const uint8_t *bytes, uint32_t size_bytes)
{
    struct batch_header header;

    return (struct producer_rules){.origin = PRODUCER_CLIENT,
                                   .owner = owner,
                                   .txn_v2 = produce_transaction_adds(version) &&
                                             parse(bytes, size_bytes, &header)};
}

/* Is it one of those that the partition remembers?  It is answered as they were (DUR-I3). */
static bool is_repeated(const struct producer_entry *entry, const struct batch_header *header)
{
    for (uint32_t i = 0; i < entry->batch_count; i++)
        if (entry->batches[i].first_sequence == header->base_sequence)
            return true;
    return false;
}

/* Does the partition know what becomes of it without the coordinator? */
static bool is_known(const struct partition *partition, const struct batch_header *header)
{
    const struct producer_entry *entry =
        producer_state_find(partition_producers(partition), header->producer_id);

    if (entry == NULL || entry->epoch < header->producer_epoch)
        return false;
    return entry->epoch > header->producer_epoch || /* it is refused */
           entry->txn_first_offset >= 0 || is_repeated(entry, header);
}

bool produce_transaction_asks(const struct request *request, const struct partition *partition,
                              const uint8_t *bytes, uint32_t size_bytes,
                              struct produce_registration_ask *ask_out, bool *is_registered_out)
{
    const struct produce_request *body = request->body;
    int16_t version = request->api_version;
    struct shard *at = partition->shard;
    struct batch_header header;

    *is_registered_out = false;
    if (!parse(bytes, size_bytes, &header))
        return false;
    if (partition_is_quarantined(partition))
        return false; /* refused: no transaction is to end there */
    if (!produce_transaction_adds(version) &&
        !shard_config(at)->transaction_partition_verification_enable) {
        *is_registered_out = true; /* whatever the coordinator knows, as before KIP-890 */
        return false;
    }
    *ask_out = (struct produce_registration_ask){
        .id = body->transactional_id.text,
        .id_bytes = (size_t)body->transactional_id.size_bytes,
        .producer_id = header.producer_id,
        .epoch = header.producer_epoch,
        .version = produce_transaction_adds(version) ? TRANSACTION_V2
                   : version >= ABORTABLE_VERSION    ? TRANSACTION_V1
                                                     : TRANSACTION_V0,
        .topic_id = partition->topic_id,
        .topic = partition->topic_name,
        .partition = partition->index};
    return produce_registration_is_asked(at->registrations, ask_out) ||
           !is_known(partition, &header);
}

/* ---- the coordinator's word */

int16_t produce_transaction_error(int16_t error, int16_t version)
{
    switch (error) {
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        return KAFKA_NOT_ENOUGH_REPLICAS; /* retriable to every producer */
    case KAFKA_CONCURRENT_TRANSACTIONS:
        return produce_transaction_adds(version) ? error : (int16_t)KAFKA_NOT_ENOUGH_REPLICAS;
    case KAFKA_TRANSACTION_ABORTABLE:
        return version >= ABORTABLE_VERSION ? error : (int16_t)KAFKA_INVALID_TXN_STATE;
    case KAFKA_PRODUCER_FENCED:
        return KAFKA_INVALID_PRODUCER_EPOCH; /* the only one that a produce answers */
    default:
        return error;
    }
}

#define UNVERIFIED \
    "Unable to verify the partition has been added to the transaction. Underlying error: "

const char *produce_transaction_message(int16_t error, int16_t produce_error)
{
    if (produce_error == KAFKA_INVALID_TXN_STATE)
        return "Partition was not added to the transaction";
    if (produce_error != KAFKA_NOT_ENOUGH_REPLICAS)
        return NULL;
    switch (error) {
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        return UNVERIFIED "COORDINATOR_LOAD_IN_PROGRESS";
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        return UNVERIFIED "COORDINATOR_NOT_AVAILABLE";
    case KAFKA_NOT_COORDINATOR:
        return UNVERIFIED "NOT_COORDINATOR";
    default:
        return UNVERIFIED "CONCURRENT_TRANSACTIONS";
    }
}

bool produce_transaction_keeps_place(int16_t produce_error)
{
    return produce_error != KAFKA_INVALID_PRODUCER_EPOCH &&
           produce_error != KAFKA_INVALID_PRODUCER_ID_MAPPING;
}
