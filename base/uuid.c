#include "base/uuid.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_is_zero(const struct uuid *uuid)
{
    static const struct uuid zero;

    return uuid_equal(uuid, &zero);
}

void uuid_format(const struct uuid *uuid, char text[static UUID_TEXT_MAX])
{
    size_t pos = 0;
    uint32_t bits = 0;
    unsigned bit_count = 0;

    for (size_t i = 0; i < sizeof(uuid->bytes); i++) {
        bits = bits << 8 | uuid->bytes[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            text[pos++] = alphabet[bits >> bit_count & 63];
        }
    }
    text[pos++] = alphabet[bits << (6 - bit_count) & 63]; /* 128 = 21 * 6 + 2 */
    text[pos] = '\0';
}

enum err uuid_parse(const char *text, size_t size_bytes, struct uuid *out)
{
    struct uuid uuid;
    size_t pos = 0;
    uint32_t bits = 0;
    unsigned bit_count = 0;

    if (size_bytes == 24 && text[22] == '=' && text[23] == '=')
        size_bytes = 22;
    if (size_bytes != 22)
        return ERR_MALFORMED;
    for (size_t i = 0; i < size_bytes; i++) {
        const char *found = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
        if (found == NULL)
            return ERR_MALFORMED;
        bits = bits << 6 | (uint32_t)(found - alphabet);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            uuid.bytes[pos++] = (uint8_t)(bits >> bit_count);
        }
    }
    *out = uuid;
    return OK;
}

void uuid_random(struct prng *prng, struct uuid *out)
{
    do {
        prng_fill(prng, out->bytes, sizeof(out->bytes));
        out->bytes[6] = (uint8_t)((out->bytes[6] & 0x0f) | 0x40);
        out->bytes[8] = (uint8_t)((out->bytes[8] & 0x3f) | 0x80);
    } while (out->bytes[0] >> 2 == 62); /* the alphabet's '-' */
}
