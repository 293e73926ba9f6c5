#include "record/batch_search.h"

#include "record/record_stream.h"

/* A batch that a client was trusted with, or that another broker wrote, may expand to more than
 * this one lets in. */
static const uint64_t output_max_bytes = (uint64_t)1 << 30;

static bool is_hit(struct batch_search *search, const struct batch_header *header,
                   const struct record_face *face)
{
    int64_t offset =
        (int64_t)((uint64_t)header->base_offset + (uint64_t)(int64_t)face->offset_delta);
    int64_t timestamp_ms =
        batch_is_log_append_time(header)
            ? header->max_timestamp_ms
            : (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)face->timestamp_delta_ms);

    if (offset < search->from_offset || timestamp_ms < search->timestamp_ms)
        return false;
    search->found = true;
    search->found_offset = offset;
    search->found_timestamp_ms = timestamp_ms;
    search->found_leader_epoch = header->leader_epoch;
    return true;
}

enum err batch_search(struct batch_search *search, struct compression_context *context,
                      const uint8_t *bytes, const struct batch_header *header)
{
    struct compression_reader reader;
    struct record_stream stream;
    enum err err;

    search->found = false;
    search->work_bytes = 0;
    if (header->record_count <= 0)
        return OK; /* nothing is left of it: there need not be a stream */
    err = compression_reader_init(&reader, context, batch_codec(header), bytes + BATCH_HEADER_BYTES,
                                  header->size_bytes - BATCH_HEADER_BYTES, output_max_bytes);
    if (err != OK)
        return err;
    reader.work_max_bytes = search->work_max_bytes;
    err = record_stream_init(&stream, &reader);
    for (int32_t i = 0; i < header->record_count && err == OK; i++) {
        struct record_face face;

        err = record_stream_next(&stream, &face);
        if (err == OK && is_hit(search, header, &face))
            break;
    }
    search->work_bytes = reader.work_bytes;
    return err;
}
