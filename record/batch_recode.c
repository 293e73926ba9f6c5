#include "record/batch_recode.h"

/* Options that say again what the header says. */
static struct batch_builder_options options_of(const struct batch_header *header,
                                               enum compression codec, int32_t level)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.base_offset = header->base_offset;
    options.leader_epoch = header->leader_epoch;
    options.codec = codec;
    options.level = level;
    options.transactional = batch_is_transactional(header);
    options.control = batch_is_control(header);
    options.producer_id = header->producer_id;
    options.producer_epoch = header->producer_epoch;
    options.base_sequence = header->base_sequence;
    return options;
}

enum err batch_recode(struct batch_reader *reader, struct batch_builder *builder,
                      const uint8_t *bytes, size_t size_bytes, enum compression codec,
                      int32_t level, const uint8_t **bytes_out, uint32_t *size_out)
{
    struct batch_builder_options options;
    enum err err = batch_reader_open(reader, bytes, size_bytes);

    if (err)
        return err;
    options = options_of(&reader->header, codec, level);
    if (batch_is_log_append_time(&reader->header)) {
        options.log_append_time = true;
        options.append_time_ms = reader->header.max_timestamp_ms;
    }
    batch_builder_reset(builder, &options);
    for (;;) {
        struct record record;
        int64_t timestamp_ms;

        err = batch_reader_next(reader, &record, NULL, NULL);
        if (err)
            break;
        /* What the producer gave, also under LogAppendTime. */
        timestamp_ms = (int64_t)((uint64_t)reader->header.base_timestamp_ms +
                                 (uint64_t)record.timestamp_delta_ms);
        err = batch_builder_add_at(builder, &record, record.offset_delta, timestamp_ms);
        if (err)
            break;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    if (reader->header.last_offset_delta > builder->last_offset_delta)
        batch_builder_set_last_offset_delta(builder, reader->header.last_offset_delta);
    return batch_builder_finish(builder, reader->context, bytes_out, size_out);
}
