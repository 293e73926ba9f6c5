#include "broker/config/config_value.h"

#include "base/check.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_CHOICES_MAX = 32 };

/* Which of the choices a word is. */
static unsigned choice_of(const struct config_key *key, const char *word, size_t word_bytes)
{
    const char *choices = key->choices;

    for (unsigned i = 0; *choices != '\0'; i++) {
        size_t size_bytes = strcspn(choices, ",");
        if (size_bytes == word_bytes && memcmp(choices, word, word_bytes) == 0)
            return i;
        choices += size_bytes;
        choices += *choices == ',';
    }
    check(false); /* config_check let it in */
    return 0;
}

static uint32_t choices_of(const struct config_key *key, const char *list, size_t list_bytes)
{
    const char *end = list + list_bytes;
    uint32_t bits = 0;

    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *word = list;
        size_t word_bytes = (size_t)((comma == NULL ? end : comma) - list);
        unsigned choice;
        list += word_bytes + 1;
        text_trim(&word, &word_bytes);
        choice = choice_of(key, word, word_bytes);
        check(choice < LIST_CHOICES_MAX);
        bits |= UINT32_C(1) << choice;
    }
    return bits;
}

static void put_number(uint8_t *at, const struct config_key *key, const char *text,
                       size_t text_bytes)
{
    int64_t number;
    enum err err = text_parse_i64(text, text_bytes, INT64_MIN, INT64_MAX, &number);

    check(err == OK); /* config_check let it in */
    if (key->type == CONFIG_I64)
        memcpy(at, &number, sizeof(number));
    else if (key->type == CONFIG_I32)
        memcpy(at, &(int32_t){(int32_t)number}, sizeof(int32_t));
    else
        memcpy(at, &(int16_t){(int16_t)number}, sizeof(int16_t));
}

static void put_bool(uint8_t *at, const char *text, size_t text_bytes)
{
    bool flag;
    enum err err = text_parse_bool(text, text_bytes, &flag);

    check(err == OK);
    memcpy(at, &flag, sizeof(flag));
}

void config_value_put(void *values, const struct config_key *key, const char *text)
{
    uint8_t *at = (uint8_t *)values + key->value_pos;
    const char *trimmed = text;
    size_t trimmed_bytes;

    if (key->value_pos == CONFIG_NO_VALUE)
        return;
    trimmed_bytes = text == NULL ? 0 : strlen(text);
    text_trim(&trimmed, &trimmed_bytes);
    switch (key->type) {
    case CONFIG_I16:
    case CONFIG_I32:
    case CONFIG_I64:
        put_number(at, key, trimmed, trimmed_bytes);
        break;
    case CONFIG_BOOL:
        put_bool(at, trimmed, trimmed_bytes);
        break;
    case CONFIG_DOUBLE:
        memcpy(at, &(double){strtod(text, NULL)}, sizeof(double));
        break;
    case CONFIG_LIST:
        memcpy(at, &(uint32_t){choices_of(key, trimmed, trimmed_bytes)}, sizeof(uint32_t));
        break;
    default:
        if (key->choices != NULL)
            memcpy(at, &(unsigned){choice_of(key, trimmed, trimmed_bytes)}, sizeof(unsigned));
        else
            memcpy(at, &text, sizeof(text));
        break;
    }
}

int64_t config_value_i64(const void *values, const struct config_key *key)
{
    const uint8_t *at = (const uint8_t *)values + key->value_pos;
    int64_t wide;
    int32_t number;
    int16_t small;

    check(key->value_pos != CONFIG_NO_VALUE);
    switch (key->type) {
    case CONFIG_I64:
        memcpy(&wide, at, sizeof(wide));
        return wide;
    case CONFIG_I32:
        memcpy(&number, at, sizeof(number));
        return number;
    default:
        check(key->type == CONFIG_I16);
        memcpy(&small, at, sizeof(small));
        return small;
    }
}
