#include "broker/coordinator/transaction_records.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/msg_transaction_log_record.h"

#include <string.h>

enum {
    TYPE_TRANSACTION = 0,
    ARENA_BYTES = 64 << 20,
};

typedef struct transaction_log_value_partitions_schema topic_item;

/* ---- writing */

static void fill_key(const char *id, size_t id_bytes, struct transaction_log_key *key)
{
    codec_set_defaults(&transaction_log_key_desc, key);
    key->transactional_id = (struct wire_string){id, (int32_t)id_bytes};
}

static void fill_item(topic_item *item, const struct transaction_topic *topic)
{
    item->topic = wire_string(topic->name);
    item->partition_ids.items = topic->indexes;
    item->partition_ids.count = (int32_t)topic->count;
}

/* A topic that both have; the order of its partitions tells nothing. */
static bool fill_joined(topic_item *item, const struct transaction_topic *topic,
                        const struct transaction_topic *more, struct arena *arena)
{
    int32_t *indexes = arena_alloc_array(arena, topic->count + more->count, sizeof(*indexes));

    if (indexes == NULL)
        return false;
    memcpy(indexes, topic->indexes, topic->count * sizeof(*indexes));
    memcpy(indexes + topic->count, more->indexes, more->count * sizeof(*indexes));
    item->topic = wire_string(topic->name);
    item->partition_ids.items = indexes;
    item->partition_ids.count = (int32_t)(topic->count + more->count);
    return true;
}

static enum err fill_partitions(struct transaction_log_value *value,
                                const struct transaction_partitions *a,
                                const struct transaction_partitions *b, struct arena *arena)
{
    topic_item *items = arena_alloc_array(arena, a->topic_count + b->topic_count, sizeof(*items));
    uint32_t count = 0;
    uint32_t i = 0;
    uint32_t j = 0;

    if (items == NULL)
        return ERR_NOMEM;
    while (i < a->topic_count || j < b->topic_count) {
        int order = i == a->topic_count   ? 1
                    : j == b->topic_count ? -1
                                          : strcmp(a->topics[i].name, b->topics[j].name);
        if (order < 0)
            fill_item(&items[count++], &a->topics[i++]);
        else if (order > 0)
            fill_item(&items[count++], &b->topics[j++]);
        else if (!fill_joined(&items[count++], &a->topics[i++], &b->topics[j++], arena))
            return ERR_NOMEM;
    }
    value->transaction_partitions.items = items;
    value->transaction_partitions.count = (int32_t)count;
    return OK;
}

/* What a client of TV2 has begun cannot be told in version 0: a start would end it in another way.
 */
static int16_t value_version(const struct transaction_fields *fields, int8_t level)
{
    return level >= TRANSACTION_V1 || fields->client_version >= TRANSACTION_V2 ? 1 : 0;
}

static void fill_fields(struct transaction_log_value *value,
                        const struct transaction_fields *fields, int16_t version)
{
    value->producer_id = fields->producer_id;
    value->producer_epoch = fields->epoch;
    value->transaction_timeout_ms = fields->timeout_ms;
    value->transaction_status = (int8_t)fields->state;
    value->transaction_last_update_timestamp_ms = fields->updated_ms;
    value->transaction_start_timestamp_ms = fields->started_ms;
    if (version == 0)
        return; /* the id before is not told, as in Kafka: only a repeat over a restart asks for it
                 */
    value->previous_producer_id = fields->previous_producer_id;
    value->next_producer_id = fields->next_producer_id;
    value->client_transaction_version = fields->client_version;
}

void transaction_records_add(struct runtime_write *write, const char *id, size_t id_bytes,
                             const struct transaction_fields *fields,
                             const struct transaction_partitions *partitions,
                             const struct transaction_partitions *adds, int8_t level)
{
    static const struct transaction_partitions none;
    struct transaction_log_key key;
    struct transaction_log_value value;
    int16_t version = value_version(fields, level);
    struct arena arena;
    enum err err = OK;

    arena_init(&arena, ARENA_BYTES);
    fill_key(id, id_bytes, &key);
    codec_set_defaults(&transaction_log_value_desc, &value);
    fill_fields(&value, fields, version);
    if (fields->state == TRANSACTION_EMPTY)
        value.transaction_partitions.count = -1; /* TRC-1 */
    else
        err = fill_partitions(&value, partitions, adds == NULL ? &none : adds, &arena);
    if (err == OK)
        runtime_write_add(write, TYPE_TRANSACTION, &key, version, &value);
    else
        runtime_write_fail(write, err);
    arena_deinit(&arena);
}

void transaction_records_add_tombstone(struct runtime_write *write, const char *id, size_t id_bytes)
{
    struct transaction_log_key key;

    fill_key(id, id_bytes, &key);
    runtime_write_add(write, TYPE_TRANSACTION, &key, 0, NULL);
}

/* ---- reading */

static enum err read_topic(const topic_item *item, struct transaction_partitions *set)
{
    size_t name_bytes = (size_t)item->topic.size_bytes;
    enum err err = OK;

    if (name_bytes == 0 || memchr(item->topic.text, 0, name_bytes) != NULL)
        return ERR_CORRUPT;
    for (int32_t i = 0; err == OK && i < item->partition_ids.count; i++)
        err = item->partition_ids.items[i] < 0
                  ? ERR_CORRUPT
                  : transaction_partitions_add(set, item->topic.text, name_bytes,
                                               item->partition_ids.items[i]);
    return err;
}

static enum err read_value(const struct transaction_log_value *value,
                           struct transaction_record *out)
{
    enum err err = OK;

    if (value->transaction_status < TRANSACTION_EMPTY ||
        value->transaction_status >= TRANSACTION_DEAD || value->producer_id < 0 ||
        value->producer_epoch < TRANSACTION_NO_EPOCH)
        return ERR_CORRUPT;
    if (value->client_transaction_version < TRANSACTION_V0 ||
        value->client_transaction_version > TRANSACTION_V2)
        return ERR_NEWER_FORMAT;
    out->fields =
        (struct transaction_fields){.state = (enum transaction_state)value->transaction_status,
                                    .client_version = (int8_t)value->client_transaction_version,
                                    .epoch = value->producer_epoch,
                                    .timeout_ms = value->transaction_timeout_ms,
                                    .producer_id = value->producer_id,
                                    .previous_producer_id = value->previous_producer_id,
                                    .next_producer_id = value->next_producer_id,
                                    .started_ms = value->transaction_start_timestamp_ms,
                                    .updated_ms = value->transaction_last_update_timestamp_ms};
    for (int32_t i = 0; err == OK && i < value->transaction_partitions.count; i++)
        err = read_topic(&value->transaction_partitions.items[i], &out->partitions);
    return err;
}

static enum err decode(const struct record_desc *desc, struct wire_reader *key_reader,
                       const struct runtime_record *record, struct arena *arena,
                       struct transaction_record *out)
{
    struct transaction_log_key key;
    struct transaction_log_value value;
    struct wire_reader reader;
    int16_t version;
    enum err err = codec_decode(desc->key, 0, key_reader, arena, &key);

    if (err != OK)
        return err;
    out->id_bytes = (size_t)key.transactional_id.size_bytes;
    out->id = mem_try_strndup(key.transactional_id.text, out->id_bytes);
    if (out->id == NULL)
        return ERR_NOMEM;
    out->fields.state = TRANSACTION_DEAD;
    if (record->value_bytes < 0)
        return OK;
    wire_reader_init(&reader, record->value, (size_t)record->value_bytes);
    err = record_read_value_version(&reader, desc, &version);
    if (err == OK)
        err = codec_decode(desc->value, version, &reader, arena, &value);
    return err == OK ? read_value(&value, out) : err;
}

enum err transaction_records_read(const struct runtime_record *record,
                                  struct transaction_record *out)
{
    const struct record_desc *desc;
    struct transaction_record read = {0};
    struct wire_reader reader;
    struct arena arena;
    enum err err;

    if (batch_is_control(record->batch) || batch_is_transactional(record->batch))
        return ERR_UNSUPPORTED; /* the coordinator's own log has no transactions */
    if (record->key_bytes < 0)
        return ERR_CORRUPT;
    wire_reader_init(&reader, record->key, (size_t)record->key_bytes);
    err = record_read_key_type(&reader, RECORD_TXN, &desc);
    if (err != OK)
        return err;
    arena_init(&arena, ARENA_BYTES);
    err = decode(desc, &reader, record, &arena, &read);
    arena_deinit(&arena);
    if (err != OK)
        transaction_record_deinit(&read);
    else
        *out = read;
    return err;
}

void transaction_record_deinit(struct transaction_record *record)
{
    mem_free(record->id);
    transaction_partitions_deinit(&record->partitions);
    *record = (struct transaction_record){0};
}
