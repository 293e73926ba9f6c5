/* The defaults of codec.h; codec_decode.c, codec_encode.c, codec_equal.c and codec_print.c hold the
 * rest of it. */
#include "net/protocol/codec.h"

#include "net/protocol/codec_private.h"

void codec_set_struct_defaults(const struct struct_desc *desc, void *out)
{
    memset(out, 0, desc->size_bytes);
    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!(field->flags & FIELD_ZERO_DEFAULT))
            codec_set_default(field, (uint8_t *)out + field->offset);
    }
}

void codec_set_defaults(const struct message_desc *desc, void *out)
{
    codec_set_struct_defaults(desc->body, out);
}

void *codec_new_array(const struct struct_desc *desc, struct arena *arena, size_t count)
{
    uint8_t *items = arena_alloc_array(arena, count == 0 ? 1 : count, desc->size_bytes);

    if (items == NULL || count == 0)
        return items;
    codec_set_struct_defaults(desc, items);
    for (size_t i = 1; i < count; i++)
        memcpy(items + i * desc->size_bytes, items, desc->size_bytes);
    return items;
}
