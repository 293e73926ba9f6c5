#include "record/batch_builder.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>

enum {
    FIRST_CAPACITY_BYTES = 4096,
    MAX_BYTES = 1 << 30,
};

struct batch_builder_options batch_builder_options_default(void)
{
    return (struct batch_builder_options){
        .leader_epoch = BATCH_NO_LEADER_EPOCH,
        .codec = COMPRESSION_NONE,
        .level = COMPRESSION_LEVEL_DEFAULT,
        .producer_id = BATCH_NO_PRODUCER_ID,
        .producer_epoch = BATCH_NO_PRODUCER_EPOCH,
        .base_sequence = BATCH_NO_SEQUENCE,
        .max_bytes = MAX_BYTES,
    };
}

void batch_builder_init(struct batch_builder *builder, const struct batch_builder_options *options)
{
    *builder = (struct batch_builder){0};
    batch_builder_reset(builder, options);
}

void batch_builder_reset(struct batch_builder *builder, const struct batch_builder_options *options)
{
    check(options->max_bytes <= INT32_MAX);
    builder->options = *options;
    builder->size_bytes = BATCH_HEADER_BYTES;
    builder->base_timestamp_ms = BATCH_NO_TIMESTAMP;
    builder->max_timestamp_ms = BATCH_NO_TIMESTAMP;
    builder->last_offset_delta = -1;
    builder->record_count = 0;
}

void batch_builder_deinit(struct batch_builder *builder)
{
    mem_free(builder->bytes);
    mem_free(builder->compressed);
    *builder = (struct batch_builder){0};
}

/* Make *memory hold needed_bytes, keeping the first used_bytes. */
static enum err reserve(uint8_t **memory, size_t *capacity_bytes, size_t used_bytes,
                        size_t needed_bytes)
{
    size_t wanted_bytes = *capacity_bytes * 2;
    uint8_t *larger;

    if (needed_bytes <= *capacity_bytes)
        return OK;
    if (wanted_bytes < FIRST_CAPACITY_BYTES)
        wanted_bytes = FIRST_CAPACITY_BYTES;
    if (wanted_bytes < needed_bytes)
        wanted_bytes = needed_bytes;
    larger = mem_try_alloc(wanted_bytes);
    if (!larger)
        return ERR_NOMEM;
    if (*memory)
        memcpy(larger, *memory, used_bytes);
    mem_free(*memory);
    *memory = larger;
    *capacity_bytes = wanted_bytes;
    return OK;
}

enum err batch_builder_add_at(struct batch_builder *builder, const struct record *record,
                              int32_t offset_delta, int64_t timestamp_ms)
{
    struct record stored = *record;
    int64_t base_timestamp_ms =
        builder->record_count == 0 ? timestamp_ms : builder->base_timestamp_ms;
    size_t record_bytes;
    enum err err;

    if (offset_delta <= builder->last_offset_delta || offset_delta < 0)
        return ERR_INVALID; /* BLD-2 */
    stored.offset_delta = offset_delta;
    stored.timestamp_delta_ms = (int64_t)((uint64_t)timestamp_ms - (uint64_t)base_timestamp_ms);
    record_bytes = record_size(&stored);
    if (record_bytes == 0)
        return ERR_INVALID;
    if (builder->size_bytes + record_bytes > builder->options.max_bytes)
        return ERR_TOO_LARGE;
    err = reserve(&builder->bytes, &builder->capacity_bytes, builder->size_bytes,
                  builder->size_bytes + record_bytes);
    if (err)
        return err;
    check(record_encode(&stored, builder->bytes + builder->size_bytes, record_bytes) ==
          record_bytes);
    builder->size_bytes += record_bytes;
    if (builder->record_count == 0 || timestamp_ms > builder->max_timestamp_ms)
        builder->max_timestamp_ms = timestamp_ms;
    builder->base_timestamp_ms = base_timestamp_ms;
    builder->last_offset_delta = offset_delta;
    builder->record_count++;
    return OK;
}

enum err batch_builder_add(struct batch_builder *builder, const struct record *record,
                           int64_t timestamp_ms)
{
    if (builder->last_offset_delta == INT32_MAX)
        return ERR_TOO_LARGE;
    return batch_builder_add_at(builder, record, builder->last_offset_delta + 1, timestamp_ms);
}

enum err batch_builder_add_pair(struct batch_builder *builder, const void *key, int32_t key_bytes,
                                const void *value, int32_t value_bytes, int64_t timestamp_ms)
{
    struct record record;

    record_init(&record, key, key_bytes, value, value_bytes);
    return batch_builder_add(builder, &record, timestamp_ms);
}

enum err batch_builder_add_marker(struct batch_builder *builder,
                                  const struct control_marker *marker, int64_t timestamp_ms)
{
    uint8_t key[CONTROL_KEY_BYTES];
    uint8_t value[CONTROL_END_TXN_VALUE_BYTES];

    check(builder->options.control && builder->options.transactional);
    check(builder->options.codec == COMPRESSION_NONE);
    control_put_key(key, marker->commit ? CONTROL_COMMIT : CONTROL_ABORT);
    control_put_end_txn_value(value, marker->coordinator_epoch);
    return batch_builder_add_pair(builder, key, sizeof(key), value, sizeof(value), timestamp_ms);
}

void batch_builder_set_last_offset_delta(struct batch_builder *builder, int32_t delta)
{
    check(delta >= builder->last_offset_delta && delta >= 0);
    builder->last_offset_delta = delta;
}

uint32_t batch_builder_size_bytes(const struct batch_builder *builder)
{
    return (uint32_t)builder->size_bytes;
}

int32_t batch_builder_record_count(const struct batch_builder *builder)
{
    return builder->record_count;
}

static enum err compress_records(struct batch_builder *builder, struct compression_context *context,
                                 size_t *size_out)
{
    const struct batch_builder_options *options = &builder->options;
    size_t records_bytes = builder->size_bytes - BATCH_HEADER_BYTES;
    size_t room_bytes = compression_bound(options->codec, records_bytes);
    size_t made_bytes;
    enum err err;

    if (!context)
        return ERR_CODEC;
    err = reserve(&builder->compressed, &builder->compressed_capacity_bytes, 0,
                  BATCH_HEADER_BYTES + room_bytes);
    if (!err)
        err = compression_compress(
            context, (int)options->codec, options->level, builder->bytes + BATCH_HEADER_BYTES,
            records_bytes, builder->compressed + BATCH_HEADER_BYTES, room_bytes, &made_bytes);
    if (err)
        return err;
    if (made_bytes > INT32_MAX - BATCH_HEADER_BYTES)
        return ERR_TOO_LARGE;
    *size_out = BATCH_HEADER_BYTES + made_bytes;
    return OK;
}

static int16_t attributes_of(const struct batch_builder_options *options)
{
    unsigned attributes = (unsigned)options->codec;

    if (options->log_append_time)
        attributes |= BATCH_LOG_APPEND_TIME;
    if (options->transactional)
        attributes |= BATCH_TRANSACTIONAL;
    if (options->control)
        attributes |= BATCH_CONTROL;
    return (int16_t)attributes;
}

enum err batch_builder_finish(struct batch_builder *builder, struct compression_context *context,
                              const uint8_t **bytes_out, uint32_t *size_out)
{
    const struct batch_builder_options *options = &builder->options;
    size_t size_bytes = builder->size_bytes;
    uint8_t *bytes;
    struct batch_header header;
    enum err err =
        reserve(&builder->bytes, &builder->capacity_bytes, size_bytes, BATCH_HEADER_BYTES);

    if (!err && options->codec != COMPRESSION_NONE)
        err = compress_records(builder, context, &size_bytes);
    if (err)
        return err;
    bytes = options->codec == COMPRESSION_NONE ? builder->bytes : builder->compressed;
    header = (struct batch_header){
        .base_offset = options->base_offset,
        .size_bytes = (uint32_t)size_bytes,
        .leader_epoch = options->leader_epoch,
        .attributes = attributes_of(options),
        .magic = BATCH_MAGIC,
        .last_offset_delta = builder->last_offset_delta,
        .base_timestamp_ms = builder->base_timestamp_ms,
        .max_timestamp_ms =
            options->log_append_time ? options->append_time_ms : builder->max_timestamp_ms,
        .producer_id = options->producer_id,
        .producer_epoch = options->producer_epoch,
        .base_sequence = options->base_sequence,
        .record_count = builder->record_count,
    };
    batch_put_header(bytes, &header);
    batch_set_crc(bytes, header.size_bytes);
    *bytes_out = bytes;
    *size_out = header.size_bytes;
    return OK;
}
