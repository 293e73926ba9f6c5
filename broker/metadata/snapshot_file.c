#include "broker/metadata/snapshot_file.h"

#include "base/mem.h"
#include "broker/metadata/image_replay.h"
#include "net/protocol/msg_control_records.h"
#include "record/batch_builder.h"

#include <stdio.h>
#include <string.h>

enum { RECORDS_PER_BATCH = 1000, NAME_BYTES = 20 + 1 + 10 + 11 };

void snapshot_format_name(const struct snapshot_id *id, char out[SNAPSHOT_NAME_MAX])
{
    snprintf(out, SNAPSHOT_NAME_MAX, "%020lld-%010d.checkpoint", (long long)id->end_offset,
             id->epoch);
}

/* Exactly count digits. */
static bool parse_digits(const char *text, size_t count, int64_t max, int64_t *out)
{
    int64_t value = 0;

    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9' || value > (max - (text[i] - '0')) / 10)
            return false;
        value = value * 10 + (text[i] - '0');
    }
    *out = value;
    return true;
}

enum err snapshot_parse_name(const char *name, struct snapshot_id *out)
{
    int64_t end_offset;
    int64_t epoch;

    if (strlen(name) != NAME_BYTES || name[20] != '-' || strcmp(name + 31, ".checkpoint") != 0 ||
        !parse_digits(name, 20, INT64_MAX, &end_offset) ||
        !parse_digits(name + 21, 10, INT32_MAX, &epoch))
        return ERR_NOT_FOUND;
    *out = (struct snapshot_id){.end_offset = end_offset, .epoch = (int32_t)epoch};
    return OK;
}

/* ---- writing */

struct encoding {
    struct batch_builder builder;
    struct batch_builder_options options;
    struct arena arena; /* values of the records of one batch */
    int64_t now_ms;
    int64_t next_offset;
    uint8_t *bytes;
    size_t size_bytes;
    size_t max_bytes;
};

/* The open batch to the end of the file, and a new one. */
static enum err flush(struct encoding *encoding, bool control_next)
{
    const uint8_t *bytes;
    uint32_t size_bytes;
    enum err err;

    if (batch_builder_record_count(&encoding->builder) > 0) {
        encoding->next_offset += batch_builder_record_count(&encoding->builder);
        err = batch_builder_finish(&encoding->builder, NULL, &bytes, &size_bytes);
        if (err != OK)
            return err;
        if (encoding->size_bytes + size_bytes > encoding->max_bytes) {
            size_t max_bytes = (encoding->size_bytes + size_bytes) * 2;
            uint8_t *larger = mem_try_realloc(encoding->bytes, max_bytes);
            if (larger == NULL)
                return ERR_NOMEM;
            encoding->bytes = larger;
            encoding->max_bytes = max_bytes;
        }
        memcpy(encoding->bytes + encoding->size_bytes, bytes, size_bytes);
        encoding->size_bytes += size_bytes;
    }
    encoding->options.base_offset = encoding->next_offset;
    encoding->options.control = control_next;
    batch_builder_reset(&encoding->builder, &encoding->options);
    arena_reset(&encoding->arena);
    return OK;
}

static enum err add_control(struct encoding *encoding, enum control_type type,
                            const struct message_desc *desc, const void *body)
{
    uint8_t key[CONTROL_KEY_BYTES];
    struct wire_writer writer;
    struct wire_bytes value;
    enum err err;

    control_put_key(key, type);
    wire_writer_init(&writer, &encoding->arena);
    err = codec_encode(desc, 0, body, &writer);
    if (err == OK)
        err = wire_writer_flatten(&writer, &value);
    if (err != OK)
        return err;
    return batch_builder_add_pair(&encoding->builder, key, sizeof(key), value.bytes,
                                  value.size_bytes, encoding->now_ms);
}

static enum err add_record(void *context, const struct metadata_record *record)
{
    struct encoding *encoding = context;
    struct wire_writer writer;
    struct wire_bytes value;
    enum err err = OK;

    if (batch_builder_record_count(&encoding->builder) == RECORDS_PER_BATCH)
        err = flush(encoding, false);
    if (err != OK)
        return err;
    wire_writer_init(&writer, &encoding->arena);
    err = metadata_record_encode(record, &writer);
    if (err == OK)
        err = wire_writer_flatten(&writer, &value);
    if (err != OK)
        return err;
    return batch_builder_add_pair(&encoding->builder, NULL, -1, value.bytes, value.size_bytes,
                                  encoding->now_ms);
}

static enum err encode_all(struct encoding *encoding, const struct image *image)
{
    struct snapshot_header_record header = {.last_contained_log_timestamp = encoding->now_ms};
    struct snapshot_footer_record footer = {0};
    enum err err = flush(encoding, true);

    if (err == OK)
        err = add_control(encoding, CONTROL_SNAPSHOT_HEADER, &snapshot_header_record_desc, &header);
    if (err == OK)
        err = flush(encoding, false);
    if (err == OK)
        err = image_each_record(image, add_record, encoding);
    if (err == OK)
        err = flush(encoding, true);
    if (err == OK)
        err = add_control(encoding, CONTROL_SNAPSHOT_FOOTER, &snapshot_footer_record_desc, &footer);
    return err == OK ? flush(encoding, false) : err;
}

enum err snapshot_encode(const struct image *image, const struct snapshot_id *id, int64_t now_ms,
                         uint8_t **bytes_out, size_t *size_out)
{
    struct encoding encoding = {.now_ms = now_ms, .options = batch_builder_options_default()};
    enum err err;

    encoding.options.leader_epoch = id->epoch;
    batch_builder_init(&encoding.builder, &encoding.options);
    arena_init(&encoding.arena, (size_t)64 << 20);
    err = encode_all(&encoding, image);
    batch_builder_deinit(&encoding.builder);
    arena_deinit(&encoding.arena);
    if (err != OK) {
        mem_free(encoding.bytes);
        return err;
    }
    *bytes_out = encoding.bytes;
    *size_out = encoding.size_bytes;
    return OK;
}

/* ---- reading */

/* Type of the one control record of a batch. */
static enum err control_type_of(const uint8_t *bytes, size_t size_bytes, int16_t *type_out)
{
    struct batch_reader reader;
    struct record record;
    enum err err;

    batch_reader_init(&reader, NULL, size_bytes);
    err = batch_reader_open(&reader, bytes, size_bytes);
    if (err == OK)
        err = batch_reader_next(&reader, &record, NULL, NULL);
    if (err == OK)
        err = control_parse_type(&record, type_out);
    batch_reader_deinit(&reader);
    return err == ERR_NOT_FOUND ? ERR_MALFORMED : err;
}

enum err snapshot_check(const uint8_t *bytes, size_t size_bytes)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *batch;
    uint32_t count = 0;
    bool ended = false;
    enum err err;

    batch_walk_init(&walk, bytes, size_bytes);
    while ((err = batch_next(&walk, &header, &batch)) == OK) {
        int16_t type = -1;
        if (!batch_crc_is_good(batch, &header))
            return ERR_CORRUPT;
        if (ended)
            return ERR_MALFORMED; /* something behind the footer */
        if (batch_is_control(&header))
            err = control_type_of(batch, header.size_bytes, &type);
        if (err != OK)
            return err;
        if (count == 0 && type != CONTROL_SNAPSHOT_HEADER)
            return ERR_MALFORMED;
        ended = type == CONTROL_SNAPSHOT_FOOTER;
        count++;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    return ended ? OK : ERR_TRUNCATED;
}

enum err snapshot_apply(const uint8_t *bytes, size_t size_bytes, const struct snapshot_id *id,
                        struct image *image)
{
    struct image_replay replay;
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *batch;
    struct delta delta;
    enum err err;

    image_replay_init(&replay, image);
    delta_init(&delta);
    batch_walk_init(&walk, bytes, size_bytes);
    while ((err = batch_next(&walk, &header, &batch)) == OK) {
        err = image_replay_snapshot_batch(&replay, batch, header.size_bytes, &delta);
        if (err != OK)
            break;
    }
    if (err == ERR_NOT_FOUND)
        err = replay.in_transaction ? ERR_MALFORMED : OK; /* snapshots hold none */
    if (err == OK)
        image_set_position(image, id->end_offset - 1, id->epoch);
    delta_deinit(&delta);
    image_replay_deinit(&replay);
    return err;
}
