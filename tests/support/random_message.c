#include "tests/support/random_message.h"

#include "base/text.h"
#include "net/protocol/field_type.h"

enum {
    ITEMS_MAX = 3,        /* of an array near the root */
    TEXT_BYTES_MAX = 12,  /* of most texts */
    LONG_TEXT_BYTES = 200 /* of a few: two bytes of varint length */
};

static void random_struct(const struct struct_desc *desc, int16_t version, unsigned depth,
                          struct prng *prng, struct arena *arena, uint8_t *out);

static void *take(struct arena *arena, size_t size_bytes)
{
    void *memory = arena_alloc(arena, size_bytes == 0 ? 1 : size_bytes);

    check(memory != NULL);
    return memory;
}

static const uint8_t *random_bytes(struct prng *prng, struct arena *arena, int32_t *size_bytes)
{
    uint64_t size = prng_chance(prng, 1, 40) ? LONG_TEXT_BYTES : prng_below(prng, TEXT_BYTES_MAX);
    uint8_t *bytes = take(arena, size);

    prng_fill(prng, bytes, size);
    *size_bytes = (int32_t)size;
    return bytes;
}

/* Text as it comes back: what is not UTF-8 would not. */
static struct wire_string random_text(struct prng *prng, struct arena *arena)
{
    static const uint32_t wide[] = {0xe4, 0x20ac, 0x1f600, 0xfffd};
    int32_t size_bytes;
    char *text = (char *)(uintptr_t)random_bytes(prng, arena, &size_bytes);

    for (int32_t i = 0; i < size_bytes; i++) {
        char bytes[4];
        size_t used = text_utf8_put(bytes, wide[prng_below(prng, array_count(wide))]);
        text[i] = (char)(text[i] & 0x7f);
        if (used > (size_t)(size_bytes - i) || prng_chance(prng, 3, 4))
            continue;
        memcpy(text + i, bytes, used);
        i += (int32_t)used - 1;
    }
    return (struct wire_string){text, size_bytes};
}

/* One byte order and sign bit at a time: random 64 bits never show 0, 1, -1 or the limits. */
static uint64_t random_number(struct prng *prng)
{
    static const uint64_t edges[] = {0,          1,          UINT64_MAX, INT8_MAX, INT16_MAX,
                                     INT32_MAX,  INT64_MAX,  0x80,       0x8000,   0x80000000,
                                     1ull << 63, UINT32_MAX, 0x3fff};

    if (prng_chance(prng, 1, 2))
        return edges[prng_below(prng, array_count(edges))];
    return prng_u64(prng);
}

static void random_records(struct prng *prng, struct arena *arena, struct wire_records *out)
{
    uint32_t count = (uint32_t)prng_below(prng, 4);
    struct wire_slice *slices = take(arena, count * sizeof(*slices));

    *out = (struct wire_records){.slices = slices, .slice_count = count};
    for (uint32_t i = 0; i < count; i++) {
        int32_t size_bytes;
        slices[i].bytes = random_bytes(prng, arena, &size_bytes);
        slices[i].size_bytes = (uint32_t)size_bytes;
        out->size_bytes += slices[i].size_bytes;
    }
}

static void random_item(const struct field_desc *field, int16_t version, unsigned depth,
                        struct prng *prng, struct arena *arena, void *at)
{
    uint64_t number = random_number(prng);

    switch ((enum field_type)field->type) {
    case FIELD_BOOL:
        *(bool *)at = number & 1;
        break;
    case FIELD_STRING:
    case FIELD_VSTRING: {
        *(struct wire_string *)at = random_text(prng, arena);
        break;
    }
    case FIELD_BYTES:
    case FIELD_VBYTES: {
        struct wire_bytes *bytes = at;
        bytes->bytes = random_bytes(prng, arena, &bytes->size_bytes);
        break;
    }
    case FIELD_RECORDS:
        random_records(prng, arena, at);
        break;
    case FIELD_UUID:
        prng_fill(prng, at, sizeof(struct uuid));
        break;
    case FIELD_STRUCT:
        random_struct(field->element, version, depth + 1, prng, arena, at);
        break;
    default: /* the low bytes of the number: x86 and arm64 are little-endian */
        memcpy(at, &number, field_item_bytes(field));
    }
}

static void set_null(const struct field_desc *field, void *at)
{
    if (field->flags & FIELD_ARRAY)
        ((struct wire_array *)at)->count = -1;
    else if (field->type == FIELD_RECORDS)
        *(struct wire_records *)at = (struct wire_records){.is_null = true};
    else if (field->flags & FIELD_POINTER)
        *(void **)at = NULL;
    else if (field->type == FIELD_BYTES || field->type == FIELD_VBYTES)
        *(struct wire_bytes *)at = (struct wire_bytes){0};
    else
        *(struct wire_string *)at = (struct wire_string){0};
}

static void random_field(const struct field_desc *field, int16_t version, unsigned depth,
                         struct prng *prng, struct arena *arena, void *at)
{
    if (version_in(version, &field->nullable) && prng_chance(prng, 1, 4)) {
        set_null(field, at);
        return;
    }
    if (field->flags & FIELD_ARRAY) {
        struct wire_array *array = at;
        size_t item_bytes = field_item_bytes(field);
        array->count = (int32_t)prng_below(prng, depth > 2 ? 2 : ITEMS_MAX + 1);
        array->items = take(arena, (size_t)array->count * item_bytes);
        for (int32_t i = 0; i < array->count; i++)
            random_item(field, version, depth, prng, arena,
                        (uint8_t *)array->items + (size_t)i * item_bytes);
    } else if (field->flags & FIELD_POINTER) {
        void *target = take(arena, field->element->size_bytes);
        *(void **)at = target;
        random_item(field, version, depth, prng, arena, target);
    } else {
        random_item(field, version, depth, prng, arena, at);
    }
}

static void random_struct(const struct struct_desc *desc, int16_t version, unsigned depth,
                          struct prng *prng, struct arena *arena, uint8_t *out)
{
    codec_set_struct_defaults(desc, out);
    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];

        if (!version_in(version, &field->present))
            continue;
        /* a null default stays only where null is allowed */
        if (version_in(version, &field->tagged) && prng_chance(prng, 1, 3))
            continue;
        random_field(field, version, depth, prng, arena, out + field->offset);
    }
}

void random_message(const struct message_desc *desc, int16_t version, struct prng *prng,
                    struct arena *arena, void *out)
{
    random_struct(desc->body, version, 0, prng, arena, out);
}
