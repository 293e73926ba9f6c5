#include "record/batch_reader.h"

#include "base/mem.h"

void batch_reader_init(struct batch_reader *reader, struct compression_context *context,
                       size_t uncompressed_max_bytes)
{
    *reader = (struct batch_reader){
        .context = context,
        .uncompressed_max_bytes = uncompressed_max_bytes,
    };
}

void batch_reader_deinit(struct batch_reader *reader)
{
    mem_free(reader->space);
    *reader = (struct batch_reader){0};
}

enum err batch_reader_open(struct batch_reader *reader, const uint8_t *bytes, size_t size_bytes)
{
    struct batch_header header;
    const uint8_t *records = bytes + BATCH_HEADER_BYTES;
    size_t records_bytes;
    enum err err = batch_parse(bytes, size_bytes, &header);

    if (err)
        return err;
    records_bytes = header.size_bytes - BATCH_HEADER_BYTES;
    if (batch_codec(&header) != COMPRESSION_NONE && records_bytes > 0) {
        uint8_t *space;

        if (!reader->context)
            return ERR_CODEC;
        err = compression_decompress(reader->context, batch_codec(&header), records, records_bytes,
                                     reader->uncompressed_max_bytes, &space, &records_bytes);
        if (err)
            return err;
        mem_free(reader->space);
        reader->space = space;
        records = space;
    }
    reader->header = header;
    record_walk_init(&reader->walk, records, records_bytes, header.record_count);
    return OK;
}

enum err batch_reader_next(struct batch_reader *reader, struct record *out, int64_t *offset_out,
                           int64_t *timestamp_ms_out)
{
    const struct batch_header *header = &reader->header;
    enum err err = record_next(&reader->walk, out);

    if (err)
        return err;
    if (offset_out)
        *offset_out =
            (int64_t)((uint64_t)header->base_offset + (uint64_t)(int64_t)out->offset_delta);
    if (timestamp_ms_out && batch_is_log_append_time(header))
        *timestamp_ms_out = header->max_timestamp_ms;
    else if (timestamp_ms_out)
        *timestamp_ms_out =
            (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)out->timestamp_delta_ms);
    return OK;
}
