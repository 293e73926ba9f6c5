#include "tools/load/verify_compare.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct client_fetched_record record_of(int64_t offset, int64_t timestamp_ms, const char *key,
                                              const char *value)
{
    struct client_fetched_record record = {.offset = offset, .timestamp_ms = timestamp_ms};

    record_init(&record.record, key, key == NULL ? -1 : (int32_t)strlen(key), value,
                value == NULL ? -1 : (int32_t)strlen(value));
    return record;
}

Test(verify_compare, says_the_first_field_that_differs)
{
    struct client_fetched_record a = record_of(1, 2, "k", "v");
    struct client_fetched_record same = record_of(1, 2, "k", "v");
    struct client_fetched_record offset = record_of(2, 3, "k", "w");
    struct client_fetched_record key = record_of(1, 2, NULL, "v");
    struct client_fetched_record value = record_of(1, 2, "k", "");
    struct client_fetched_record headers = record_of(1, 2, "k", "v");

    headers.record.header_count = 1;
    cr_assert(eq(u32, verify_compare_records(&a, &same, VERIFY_FIELD_ALL), 0));
    cr_assert(eq(u32, verify_compare_records(&a, &offset, VERIFY_FIELD_ALL), VERIFY_FIELD_OFFSET));
    cr_assert(eq(u32, verify_compare_records(&a, &offset, VERIFY_FIELD_ALL & ~VERIFY_FIELD_OFFSET),
                 VERIFY_FIELD_TIMESTAMP));
    cr_assert(eq(u32, verify_compare_records(&a, &offset, VERIFY_FIELD_VALUE), VERIFY_FIELD_VALUE));
    cr_assert(eq(u32, verify_compare_records(&a, &key, VERIFY_FIELD_ALL), VERIFY_FIELD_KEY));
    cr_assert(eq(u32, verify_compare_records(&a, &value, VERIFY_FIELD_ALL), VERIFY_FIELD_VALUE));
    cr_assert(
        eq(u32, verify_compare_records(&a, &headers, VERIFY_FIELD_ALL), VERIFY_FIELD_HEADERS));
}

Test(verify_compare, tells_null_from_empty)
{
    struct client_fetched_record null = record_of(1, 2, NULL, NULL);
    struct client_fetched_record empty = record_of(1, 2, "", "");

    cr_assert(eq(u32, verify_compare_records(&null, &empty, VERIFY_FIELD_ALL), VERIFY_FIELD_KEY));
    cr_assert(
        eq(u32, verify_compare_records(&null, &empty, VERIFY_FIELD_VALUE), VERIFY_FIELD_VALUE));
}

Test(verify_compare, reads_names_of_fields)
{
    uint32_t fields = 0;

    cr_assert(eq(int, verify_fields_parse("timestamp,offset", &fields), OK));
    cr_assert(eq(u32, fields, VERIFY_FIELD_OFFSET | VERIFY_FIELD_TIMESTAMP));
    cr_assert(eq(int, verify_fields_parse("timestamp,", &fields), ERR_INVALID));
    cr_assert(eq(int, verify_fields_parse("time", &fields), ERR_INVALID));
}
