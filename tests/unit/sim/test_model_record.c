#include "tests/sim/model_record.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { ENCODED_BYTES_MAX = 4096 };

static uint8_t value_bytes[1024];
static uint8_t encoded[ENCODED_BYTES_MAX];

/* As a reader sees it. */
static size_t encode(uint64_t value, int32_t size_bytes, bool plain, struct record *out)
{
    struct model_record made;
    size_t used;

    model_record_make(&made, value, size_bytes, plain, value_bytes);
    used = record_encode(&made.record, encoded, sizeof(encoded));
    cr_assert(lt(sz, 0, used));
    cr_assert(eq(int, record_decode(encoded, used, out, &used), OK));
    return used;
}

Test(model_record, each_is_read_back)
{
    for (uint64_t counter = 0; counter < 500; counter++) {
        for (int32_t size = MODEL_RECORD_NULL; size < 40; size++) {
            uint64_t value = history_value(7, counter);
            uint64_t got = 0;
            struct record record;
            encode(value, size, false, &record);
            cr_assert(model_record_read(&record, false, &got));
            cr_assert(eq(u64, got, value));
        }
    }
}

Test(model_record, plain_ones_have_neither_key_nor_headers)
{
    struct record record;
    uint64_t got = 0;

    encode(history_value(7, 9), 30, true, &record);
    cr_assert(eq(int, record.key_bytes, -1));
    cr_assert(eq(int, record.header_count, 0));
    cr_assert(model_record_read(&record, true, &got));
    cr_assert(eq(u64, got, history_value(7, 9)));
}

/* Whatever byte of the content is another one, it is seen, or the size is another one, which the
 * oracle compares. */
Test(model_record, no_changed_byte_is_taken_for_the_record)
{
    for (uint64_t counter = 0; counter < 200; counter++) {
        struct record record;
        uint64_t value = history_value(3, counter);
        size_t used = encode(value, (int32_t)(counter % 30) - 1, false, &record);
        for (size_t i = 5; i < used; i++) { /* behind length, attributes and deltas */
            uint64_t got = value;
            size_t size;
            encoded[i] ^= 1;
            if (record_decode(encoded, used, &record, &size) == OK &&
                record.value_bytes == (int32_t)(counter % 30) - 1 &&
                model_record_read(&record, false, &got))
                cr_assert(ne(u64, got, value), "byte %zu of %zu, value %zu", i, used,
                          (size_t)counter);
            encoded[i] ^= 1;
        }
    }
}
