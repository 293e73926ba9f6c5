#include "broker/metadata/image_replay.h"

#include "base/mem.h"
#include "net/protocol/msg_feature_level_record.h"

#include <stdio.h>
#include <string.h>

/* Of one record. */
#define ARENA_MAX_BYTES ((size_t)256 << 20)
#define BATCH_MAX_BYTES ((size_t)1 << 30)

void image_replay_init(struct image_replay *replay, struct image *image)
{
    *replay = (struct image_replay){.image = image};
    batch_reader_init(&replay->reader, NULL, BATCH_MAX_BYTES);
    arena_init(&replay->arena, ARENA_MAX_BYTES);
}

void image_replay_deinit(struct image_replay *replay)
{
    batch_reader_deinit(&replay->reader);
    arena_deinit(&replay->arena);
    mem_free(replay->held);
    *replay = (struct image_replay){0};
}

static enum err hold(struct image_replay *replay, const struct record *record)
{
    uint32_t size_bytes = (uint32_t)record->value_bytes;
    size_t needed_bytes = replay->held_bytes + sizeof(size_bytes) + size_bytes;

    if (needed_bytes > replay->held_max_bytes) {
        uint8_t *held = mem_try_realloc(replay->held, needed_bytes * 2);
        if (held == NULL)
            return ERR_NOMEM;
        replay->held = held;
        replay->held_max_bytes = needed_bytes * 2;
    }
    memcpy(replay->held + replay->held_bytes, &size_bytes, sizeof(size_bytes));
    memcpy(replay->held + replay->held_bytes + sizeof(size_bytes), record->value, size_bytes);
    replay->held_bytes = needed_bytes;
    return OK;
}

/* For who tells why nothing goes on. */
static void note_refused(struct image_replay *replay, const uint8_t *value, size_t size_bytes,
                         const struct metadata_record *record)
{
    char text[160];
    const struct feature_level_record *feature;

    metadata_record_describe(value, size_bytes, text, sizeof(text));
    if (record != NULL && record->type == METADATA_FEATURE_LEVEL) {
        feature = record->body;
        snprintf(text, sizeof(text), "%.*s at level %d", feature->name.size_bytes,
                 feature->name.text, feature->feature_level);
    }
    image_note_refused(replay->image, text);
}

static enum err apply_decoded(struct image_replay *replay, const uint8_t *value, size_t size_bytes,
                              const struct metadata_record *record, struct delta *delta)
{
    enum err err = image_apply(replay->image, record, delta);

    if (err != OK && err != ERR_NOMEM)
        note_refused(replay, value, size_bytes, record);
    return err;
}

/* The end of a transaction: all of it at once. */
static enum err apply_held(struct image_replay *replay, struct delta *delta)
{
    while (replay->held_pos < replay->held_bytes) {
        const uint8_t *at = replay->held + replay->held_pos;
        struct metadata_record record;
        uint32_t size_bytes;
        enum err err;

        memcpy(&size_bytes, at, sizeof(size_bytes));
        arena_reset(&replay->arena);
        err = metadata_record_decode(at + sizeof(size_bytes), size_bytes, &replay->arena, &record);
        if (err == OK)
            err = apply_decoded(replay, at + sizeof(size_bytes), size_bytes, &record, delta);
        if (err != OK)
            return err;
        replay->held_pos += sizeof(size_bytes) + size_bytes;
    }
    return OK;
}

static enum err apply_one(struct image_replay *replay, const struct record *record,
                          struct delta *delta)
{
    struct metadata_record decoded;
    enum err err;

    if (record->key_bytes >= 0 || record->value_bytes < 0)
        return ERR_MALFORMED; /* keys are null, values are not */
    arena_reset(&replay->arena);
    err = metadata_record_decode(record->value, (size_t)record->value_bytes, &replay->arena,
                                 &decoded);
    if (err != OK) {
        if (err != ERR_NOMEM)
            note_refused(replay, record->value, (size_t)record->value_bytes, NULL);
        return err;
    }
    switch (decoded.type) {
    case METADATA_BEGIN_TRANSACTION:
        if (replay->in_transaction)
            return ERR_MALFORMED;
        replay->in_transaction = true;
        replay->held_bytes = 0;
        replay->held_pos = 0;
        return OK;
    case METADATA_END_TRANSACTION:
    case METADATA_ABORT_TRANSACTION:
        if (!replay->in_transaction)
            return ERR_MALFORMED;
        if (decoded.type == METADATA_END_TRANSACTION)
            err = apply_held(replay, delta);
        replay->in_transaction = err == ERR_NOMEM; /* it goes on */
        return err;
    default:
        return replay->in_transaction ? hold(replay, record)
                                      : apply_decoded(replay, record->value,
                                                      (size_t)record->value_bytes, &decoded, delta);
    }
}

enum err image_replay_snapshot_batch(struct image_replay *replay, const uint8_t *bytes,
                                     size_t size_bytes, struct delta *delta)
{
    struct record record;
    uint32_t count = 0;
    enum err err = batch_reader_open(&replay->reader, bytes, size_bytes);

    if (err != OK || batch_is_control(&replay->reader.header))
        return err;
    while ((err = batch_reader_next(&replay->reader, &record, NULL, NULL)) == OK) {
        if (count >= replay->applied_count)
            err = apply_one(replay, &record, delta);
        if (err == ERR_NOMEM)
            replay->applied_count = count;
        if (err != OK)
            return err;
        count++;
    }
    replay->applied_count = 0;
    return err == ERR_NOT_FOUND ? OK : err;
}

enum err image_replay_batch(struct image_replay *replay, const uint8_t *bytes, size_t size_bytes,
                            struct delta *delta)
{
    enum err err = image_replay_snapshot_batch(replay, bytes, size_bytes, delta);

    if (err == OK && !replay->in_transaction)
        image_set_position(replay->image, batch_last_offset(&replay->reader.header),
                           replay->reader.header.leader_epoch);
    return err;
}
