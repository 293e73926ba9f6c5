#include "base/uuid.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(uuid, prints_as_kafka_does)
{
    struct uuid one = {.bytes = {[15] = 1}};
    struct uuid zero = {0};
    struct uuid full;
    char text[UUID_TEXT_MAX];

    uuid_format(&zero, text);
    cr_assert(eq(str, text, "AAAAAAAAAAAAAAAAAAAAAA"));
    uuid_format(&one, text);
    cr_assert(eq(str, text, "AAAAAAAAAAAAAAAAAAAAAQ"));
    memset(full.bytes, 0xff, sizeof(full.bytes));
    uuid_format(&full, text);
    cr_assert(eq(str, text, "_____________________w"));
}

Test(uuid, comes_back_from_its_text)
{
    struct prng prng;

    prng_init(&prng, 11);
    for (int i = 0; i < 1000; i++) {
        char text[UUID_TEXT_MAX];
        struct uuid uuid;
        struct uuid back;
        prng_fill(&prng, uuid.bytes, sizeof(uuid.bytes));
        uuid_format(&uuid, text);
        cr_assert(eq(int, uuid_parse(text, 22, &back), OK));
        cr_assert(uuid_equal(&uuid, &back));
    }
}

Test(uuid, accepts_padding_and_unused_bits_like_java)
{
    struct uuid uuid;
    struct uuid padded;
    char text[UUID_TEXT_MAX];

    cr_assert(eq(int, uuid_parse("MkU3OEVBNTcwNTJENDM2Qk", 22, &uuid), OK));
    uuid_format(&uuid, text);
    cr_assert(eq(str, text, "MkU3OEVBNTcwNTJENDM2Qg"));
    cr_assert(eq(int, uuid_parse("MkU3OEVBNTcwNTJENDM2Qg==", 24, &padded), OK));
    cr_assert(uuid_equal(&uuid, &padded));
}

Test(uuid, refuses_other_texts_and_leaves_out_alone)
{
    static const char *const bad[] = {
        "",
        "A",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAA+",
        "AAAAAAAAAAAAAAAAAAAAA/",
        "AAAAAAAAAAAAAAAAAAAA==",
        "AAAAAAAAAAAAAAAAAAAAAA=A",
        "AAAAAAAAAAA AAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAA\xc3",
    };
    struct uuid uuid = {.bytes = {[3] = 7}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(eq(int, uuid_parse(bad[i], strlen(bad[i]), &uuid), ERR_MALFORMED), "%s", bad[i]);
    cr_assert(eq(int, uuid_parse("AAAAAAAAAAA\0AAAAAAAAAA", 22, &uuid), ERR_MALFORMED));
    cr_assert(eq(u8, uuid.bytes[3], 7));
}

Test(uuid, random_ones_are_version_4_and_fit_on_a_command_line)
{
    struct prng prng;

    prng_init(&prng, 12);
    for (int i = 0; i < 2000; i++) {
        char text[UUID_TEXT_MAX];
        struct uuid uuid;
        uuid_random(&prng, &uuid);
        uuid_format(&uuid, text);
        cr_assert(eq(int, uuid.bytes[6] >> 4, 4));
        cr_assert(eq(int, uuid.bytes[8] >> 6, 2));
        cr_assert(ne(chr, text[0], '-'));
        cr_assert(not(uuid_is_zero(&uuid)));
    }
}

Test(uuid, zero_is_only_all_zero)
{
    struct uuid uuid = {0};

    cr_assert(uuid_is_zero(&uuid));
    for (size_t i = 0; i < 16; i++) {
        uuid = (struct uuid){0};
        uuid.bytes[i] = 1;
        cr_assert(not(uuid_is_zero(&uuid)));
    }
}
