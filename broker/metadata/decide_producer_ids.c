/* Decisions about producer ids: AllocateProducerIds (KIP-730). */
#include "broker/metadata/decision.h"
#include "net/protocol/msg_producer_ids_record.h"

enum err decide_producer_ids(struct decision *decision, int64_t count, int64_t *first_id)
{
    struct producer_ids_record *record =
        metadata_records_add(decision->records, METADATA_PRODUCER_IDS, 0);

    if (record == NULL)
        return ERR_NOMEM;
    *first_id = image_next_producer_id(decision->image);
    record->broker_id = decision->node_id;
    record->broker_epoch = decision->broker_epoch;
    record->next_producer_id = *first_id + count;
    return OK;
}
