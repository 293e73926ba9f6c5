/* Reading snappy: raw, or in xerial blocks. */
#include "base/mem.h"
#include "record/big_endian.h"
#include "record/compression.h"
#include "record/compression_private.h"

#include <snappy-c.h>
#include <string.h>

const uint8_t compression_xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

/* Uncompress one raw block into context->block. */
static enum err read_block(struct compression_reader *reader, const uint8_t *bytes,
                           size_t size_bytes)
{
    struct compression_context *context = reader->context;
    size_t made_bytes;
    uint8_t *to;

    if (snappy_uncompressed_length((const char *)bytes, size_bytes, &made_bytes) != SNAPPY_OK)
        return ERR_MALFORMED;
    if (made_bytes / COMPRESSION_SNAPPY_EXPANSION_MAX > size_bytes)
        return ERR_MALFORMED; /* no input of this size can make so much */
    if (made_bytes > reader->output_max_bytes - reader->output_bytes) {
        reader->output_bytes += made_bytes; /* how far it would have gone */
        return ERR_TOO_LARGE;
    }
    compression_charge(reader, size_bytes, made_bytes);
    if (compression_is_spent(reader))
        return ERR_FULL; /* before it is made: a block may be all that there is */
    if (made_bytes > context->block_bytes) {
        mem_free(context->block);
        context->block_bytes = 0; /* in case that there is no memory */
        context->block = mem_try_alloc(made_bytes);
        if (!context->block)
            return ERR_NOMEM;
        context->block_bytes = made_bytes;
    }
    to = made_bytes > 0 ? context->block : context->window; /* even nothing needs an address */
    if (snappy_uncompress((const char *)bytes, size_bytes, (char *)to, &made_bytes) != SNAPPY_OK)
        return ERR_MALFORMED;
    compression_set_window(reader, to, made_bytes);
    return OK;
}

/* Step over a xerial header at in_pos. */
static enum err skip_header(struct compression_reader *reader)
{
    const uint8_t *header = reader->in + reader->in_pos;

    if (reader->in_bytes - reader->in_pos < XERIAL_HEADER_BYTES)
        return ERR_TRUNCATED;
    if (memcmp(header, compression_xerial_magic, sizeof(compression_xerial_magic)) != 0 ||
        big_endian_get_i32(header + 8) < XERIAL_VERSION)
        return ERR_MALFORMED;
    reader->in_pos += XERIAL_HEADER_BYTES;
    compression_charge(reader, XERIAL_HEADER_BYTES, 0);
    return OK;
}

static bool has_magic(const struct compression_reader *reader)
{
    return reader->in_bytes - reader->in_pos >= sizeof(compression_xerial_magic) &&
           memcmp(reader->in + reader->in_pos, compression_xerial_magic,
                  sizeof(compression_xerial_magic)) == 0;
}

enum err compression_fill_snappy(struct compression_reader *reader)
{
    enum err err;

    if (reader->in_pos == 0) {
        reader->xerial = has_magic(reader);
        if (!reader->xerial) {
            reader->in_pos = reader->in_bytes;
            reader->at_end = true;
            return read_block(reader, reader->in, reader->in_bytes);
        }
    }
    while (reader->window_pos == reader->window_bytes) {
        size_t left_bytes = reader->in_bytes - reader->in_pos;
        int32_t block_bytes;

        if (left_bytes == 0) {
            reader->at_end = true;
            return OK;
        }
        if (compression_is_spent(reader))
            return ERR_FULL;
        if (has_magic(reader)) { /* at the start, and where streams were put together */
            err = skip_header(reader);
            if (err)
                return err;
            continue;
        }
        if (left_bytes < sizeof(block_bytes))
            return ERR_TRUNCATED;
        block_bytes = big_endian_get_i32(reader->in + reader->in_pos);
        if (block_bytes <= 0)
            return ERR_MALFORMED;
        if ((size_t)block_bytes > left_bytes - sizeof(block_bytes))
            return ERR_TRUNCATED;
        reader->in_pos += sizeof(block_bytes);
        err = read_block(reader, reader->in + reader->in_pos, (size_t)block_bytes);
        if (err)
            return err;
        reader->in_pos += (size_t)block_bytes;
    }
    return OK;
}
