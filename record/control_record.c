#include "record/control_record.h"

#include "record/big_endian.h"
#include "record/compression.h"

void control_put_key(uint8_t bytes[static CONTROL_KEY_BYTES], enum control_type type)
{
    big_endian_put_i16(bytes, 0);
    big_endian_put_i16(bytes + 2, (int16_t)type);
}

void control_put_end_txn_value(uint8_t bytes[static CONTROL_END_TXN_VALUE_BYTES],
                               int32_t coordinator_epoch)
{
    big_endian_put_i16(bytes, 0);
    big_endian_put_i32(bytes + 2, coordinator_epoch);
}

enum err control_parse_type(const struct record *record, int16_t *type_out)
{
    if (record->key_bytes < CONTROL_KEY_BYTES || big_endian_get_i16(record->key) < 0)
        return ERR_MALFORMED;
    *type_out = big_endian_get_i16(record->key + 2);
    return OK;
}

enum err control_parse_marker(const uint8_t *bytes, const struct batch_header *header,
                              struct control_marker *out)
{
    struct record record;
    size_t used;
    int16_t type;
    enum err err;

    if (!batch_is_control(header) || header->record_count == 0)
        return ERR_NOT_FOUND;
    if (batch_codec(header) != COMPRESSION_NONE)
        return ERR_UNSUPPORTED;
    err = record_decode(bytes + BATCH_HEADER_BYTES, header->size_bytes - BATCH_HEADER_BYTES,
                        &record, &used);
    if (!err)
        err = control_parse_type(&record, &type);
    if (err)
        return ERR_MALFORMED;
    if (type != CONTROL_ABORT && type != CONTROL_COMMIT)
        return ERR_NOT_FOUND;
    if (record.value_bytes < CONTROL_END_TXN_VALUE_BYTES || big_endian_get_i16(record.value) < 0)
        return ERR_MALFORMED;
    *out = (struct control_marker){
        .commit = type == CONTROL_COMMIT,
        .coordinator_epoch = big_endian_get_i32(record.value + 2),
    };
    return OK;
}
