#include "record/batch_validate.h"

#include "base/check.h"
#include "record/record_stream.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ZSTD_FROM_PRODUCE_VERSION = 7, /* KIP-110 */
};

/* A walk through one batch. */
struct validation {
    const struct batch_rules *rules;
    struct batch_info *info;
    int64_t max_timestamp_ms;
    enum err record_err;   /* ERR_TIMESTAMP as soon as one record has it, else ERR_RECORD */
    batch_error_fn *visit; /* or NULL */
    void *visit_context;
    bool visit_ended;
};

static enum err refuse(struct batch_info *info, enum err err, const char *format, ...)
    printf_like(3, 4);

static enum err refuse(struct batch_info *info, enum err err, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(info->text, sizeof(info->text), format, arguments);
    va_end(arguments);
    return err;
}

/* ---- the rules */

/* What follows the batch: a batch that is cut short is dropped, as Kafka does. */
static enum err check_rest(const uint8_t *bytes, size_t size_bytes, struct batch_info *info)
{
    struct batch_header next;

    switch (batch_parse(bytes, size_bytes, &next)) {
    case ERR_TRUNCATED:
        return OK;
    case ERR_CORRUPT:
        return refuse(info, ERR_CORRUPT, "what follows the record batch is not one");
    default:
        return refuse(info, ERR_RECORD, "one record batch per partition, not more");
    }
}

/* The request's shape (ProduceRequest.validateRecords) and what the bytes outside the records say
 * (UnifiedLog.analyzeAndValidateRecords). */
static enum err check_envelope(const struct batch_rules *rules, const uint8_t *bytes,
                               size_t size_bytes, struct batch_info *info)
{
    struct batch_header *header = &info->header;
    enum err err;

    switch (batch_parse(bytes, size_bytes, header)) {
    case OK:
        break;
    case ERR_TRUNCATED:
        return refuse(info, ERR_RECORD, "no complete record batch in %zu bytes", size_bytes);
    case ERR_UNSUPPORTED:
        return refuse(info, ERR_RECORD, "record batches must have magic 2");
    default:
        return refuse(info, ERR_CORRUPT, "the length or the magic of the record batch is wrong");
    }
    if (batch_codec(header) == COMPRESSION_ZSTD &&
        rules->produce_version < ZSTD_FROM_PRODUCE_VERSION)
        return refuse(info, ERR_CODEC, "zstd needs produce version %d or later, not %d",
                      ZSTD_FROM_PRODUCE_VERSION, rules->produce_version);
    err = check_rest(bytes + header->size_bytes, size_bytes - header->size_bytes, info);
    if (err)
        return err;
    if (header->base_offset != 0)
        return refuse(info, ERR_RECORD, "base offset is %" PRId64 ", not 0", header->base_offset);
    if (header->size_bytes > rules->max_message_bytes)
        return refuse(info, ERR_TOO_LARGE,
                      "the record batch has %" PRIu32 " bytes, max.message.bytes is %" PRIu32,
                      header->size_bytes, rules->max_message_bytes);
    if (!batch_crc_is_good(bytes, header))
        return refuse(info, ERR_CORRUPT,
                      "checksum of the record batch is %08" PRIx32 ", it says %08" PRIx32,
                      batch_compute_crc(bytes, header->size_bytes), header->crc);
    if (!compression_is_known(batch_codec(header)))
        return refuse(info, ERR_CODEC, "there is no compression type %d", batch_codec(header));
    return OK;
}

/* LogValidator.validateBatch.  Attribute bits without a meaning here are let through and stored, as
 * in Kafka. */
static enum err check_header(struct batch_info *info)
{
    const struct batch_header *header = &info->header;

    if (header->last_offset_delta < 0)
        return refuse(info, ERR_RECORD, "last offset delta is %" PRId32, header->last_offset_delta);
    if (header->record_count <= 0)
        return refuse(info, ERR_RECORD, "record count is %" PRId32, header->record_count);
    if (header->record_count != (int64_t)header->last_offset_delta + 1)
        return refuse(info, ERR_RECORD,
                      "record count is %" PRId32 " but last offset delta is %" PRId32,
                      header->record_count, header->last_offset_delta);
    if (batch_is_control(header))
        return refuse(info, ERR_RECORD, "clients may not write control batches");
    if (batch_has_producer(header) && header->base_sequence < 0)
        return refuse(info, ERR_RECORD, "base sequence is %" PRId32 " with producer id %" PRId64,
                      header->base_sequence, header->producer_id);
    if (batch_is_transactional(header) && !batch_has_producer(header))
        return refuse(info, ERR_RECORD, "transactional without a producer id");
    return OK;
}

static void add_record_error(struct validation *validation, const struct batch_record_error *error)
{
    struct batch_info *info = validation->info;

    if (info->record_error_count < BATCH_RECORD_ERRORS_MAX)
        info->record_errors[info->record_error_count] = *error;
    info->record_error_count++;
    if (validation->record_err != ERR_TIMESTAMP)
        validation->record_err = error->fault == BATCH_FAULT_NO_KEY ? ERR_RECORD : ERR_TIMESTAMP;
    if (validation->visit != NULL && !validation->visit(validation->visit_context, error))
        validation->visit_ended = true;
}

static bool is_outside_time(const struct batch_rules *rules, int64_t timestamp_ms)
{
    __int128 age_ms = (__int128)rules->now_ms - timestamp_ms;

    return age_ms > rules->timestamp_before_max_ms || -age_ms > rules->timestamp_after_max_ms;
}

/* LogValidator.validateRecord: at most one complaint per record.  The time is what a reader will
 * see, so the producer's bit for LogAppendTime does not count: under CreateTime it is cleared. */
static void check_record(struct validation *validation, const struct record_face *face,
                         int32_t index)
{
    const struct batch_rules *rules = validation->rules;
    const struct batch_header *header = &validation->info->header;
    struct batch_record_error error = {.record_index = index};
    int64_t timestamp_ms =
        (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)face->timestamp_delta_ms);

    error.timestamp_ms = timestamp_ms;
    if (timestamp_ms > validation->max_timestamp_ms)
        validation->max_timestamp_ms = timestamp_ms;
    if (rules->compact && !face->has_key) {
        error.fault = BATCH_FAULT_NO_KEY;
        snprintf(error.text, sizeof(error.text),
                 "record %" PRId32 " has no key, and the topic is compacted", index);
    } else if (!rules->log_append_time && timestamp_ms != BATCH_NO_TIMESTAMP) {
        if (!is_outside_time(rules, timestamp_ms))
            return;
        error.fault = BATCH_FAULT_TIME;
        snprintf(error.text, sizeof(error.text),
                 "timestamp %" PRId64 " of record %" PRId32 " is more than %" PRId64
                 " ms before or %" PRId64 " ms after now, which is %" PRId64,
                 timestamp_ms, index, rules->timestamp_before_max_ms, rules->timestamp_after_max_ms,
                 rules->now_ms);
    } else if (batch_is_log_append_time(header)) {
        error.fault = BATCH_FAULT_TIME_TYPE;
        snprintf(error.text, sizeof(error.text),
                 "record %" PRId32 ": producers may not set the timestamp type to LogAppendTime",
                 index);
    } else {
        return;
    }
    add_record_error(validation, &error);
}

static enum err refuse_stream(struct batch_info *info, enum err err, int32_t index,
                              const struct batch_rules *rules)
{
    if (err == ERR_NOMEM)
        return refuse(info, ERR_NOMEM, "no memory to look into the record batch");
    if (err == ERR_FULL)
        return refuse(info, ERR_FULL, "the record batch takes longer than it may");
    if (err == ERR_TOO_LARGE)
        return refuse(info, ERR_TOO_LARGE,
                      "the record batch expands to more than %" PRIu64 " bytes",
                      rules->uncompressed_max_bytes);
    return refuse(info, ERR_RECORD, "record %" PRId32 " of %" PRId32 " cannot be read: %s", index,
                  info->header.record_count, err_text(err));
}

static enum err walk_records(struct validation *validation, struct compression_reader *reader)
{
    struct batch_info *info = validation->info;
    struct record_stream stream;
    enum err err = record_stream_init(&stream, reader);

    for (int32_t i = 0; i < info->header.record_count && !err && !validation->visit_ended; i++) {
        struct record_face face;

        err = record_stream_next(&stream, &face);
        if (err)
            return refuse_stream(info, err, i, validation->rules);
        if (face.offset_delta != i)
            return refuse(info, ERR_RECORD, "record %" PRId32 " has offset delta %" PRId32, i,
                          face.offset_delta);
        check_record(validation, &face, i);
    }
    if (err)
        return refuse_stream(info, err, 0, validation->rules);
    if (stream.left_bytes > 0)
        return refuse(info, ERR_RECORD, "bytes behind the last record");
    if (info->record_error_count > 0)
        return refuse(info, validation->record_err, "%" PRId32 " records refused; %s",
                      info->record_error_count, info->record_errors[0].text);
    return OK;
}

static enum err validate(struct validation *validation, struct compression_context *context,
                         const uint8_t *bytes, size_t size_bytes)
{
    const struct batch_rules *rules = validation->rules;
    struct batch_info *out = validation->info;
    struct batch_header *header = &out->header;
    struct compression_reader reader;
    enum err err;

    validation->max_timestamp_ms = BATCH_NO_TIMESTAMP;
    *out = (struct batch_info){0};
    err = check_envelope(rules, bytes, size_bytes, out);
    if (!err)
        err = check_header(out);
    if (err)
        return err;
    out->record_count = header->record_count;
    out->max_timestamp_ms = header->max_timestamp_ms;
    if (batch_codec(header) != COMPRESSION_NONE && !rules->validate_compressed)
        return OK;

    err = compression_reader_init(&reader, context, batch_codec(header), bytes + BATCH_HEADER_BYTES,
                                  header->size_bytes - BATCH_HEADER_BYTES,
                                  rules->uncompressed_max_bytes);
    if (err)
        return refuse_stream(out, err, 0, rules);
    if (rules->work_max_bytes > 0)
        reader.work_max_bytes = rules->work_max_bytes;
    err = walk_records(validation, &reader);
    out->walked_bytes = reader.output_bytes;
    out->work_bytes = reader.work_bytes;
    out->max_timestamp_ms = validation->max_timestamp_ms;
    return err;
}

enum err batch_validate(const struct batch_rules *rules, struct compression_context *context,
                        const uint8_t *bytes, size_t size_bytes, struct batch_info *out)
{
    struct validation validation = {.rules = rules, .info = out};

    return validate(&validation, context, bytes, size_bytes);
}

uint64_t batch_each_error(const struct batch_rules *rules, struct compression_context *context,
                          const uint8_t *bytes, size_t size_bytes, batch_error_fn *visit,
                          void *visit_context)
{
    struct batch_info info;
    struct validation validation = {
        .rules = rules, .info = &info, .visit = visit, .visit_context = visit_context};

    (void)!validate(&validation, context, bytes, size_bytes);
    return info.work_bytes;
}
