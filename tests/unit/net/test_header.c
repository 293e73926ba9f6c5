#include "net/protocol/header.h"
#include "net/protocol/kafka_tables.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct {
    struct arena arena;
    struct wire_writer writer;
    struct wire_reader reader;
} f;

static void setup(void)
{
    arena_init(&f.arena, 1 << 20);
    wire_writer_init(&f.writer, &f.arena);
}

static void teardown(void)
{
    arena_deinit(&f.arena);
}

#define decode_literal(literal, header, api)                    \
    (wire_reader_init(&f.reader, literal, sizeof(literal) - 1), \
     header_decode_request(&f.reader, &f.arena, header, api))

Test(header, version_1_ends_with_the_client_id, .init = setup, .fini = teardown)
{
    struct request_header header;
    const struct api_desc *api;

    cr_assert(eq(int, decode_literal("\0\3\0\1\0\0\0\x2a\0\2idbody", &header, &api), OK));
    cr_assert(eq(int, header.request_api_key, API_METADATA));
    cr_assert(eq(int, header.request_api_version, 1));
    cr_assert(eq(int, header.correlation_id, 42));
    cr_assert(wire_string_is(header.client_id, "id"));
    cr_assert(eq(str, (char *)api->name, "Metadata"));
    cr_assert(eq(sz, wire_reader_left(&f.reader), 4));
}

Test(header, version_2_has_tagged_fields_but_a_plain_client_id, .init = setup, .fini = teardown)
{
    struct request_header header;
    const struct api_desc *api;

    cr_assert(
        eq(int, decode_literal("\0\3\0\x0c\0\0\0\x2a\xff\xff\1\5\2zzbody", &header, &api), OK));
    cr_assert(eq(ptr, (void *)header.client_id.text, NULL));
    cr_assert(eq(sz, wire_reader_left(&f.reader), 4));
}

Test(header, a_version_that_is_not_served_still_tells_whom_to_answer, .init = setup,
     .fini = teardown)
{
    struct request_header header;
    const struct api_desc *api;

    cr_assert(eq(int, decode_literal("\0\x12\0\x63\0\0\0\x2a?", &header, &api), ERR_UNSUPPORTED));
    cr_assert(eq(int, api->key, API_API_VERSIONS));
    cr_assert(eq(int, header.correlation_id, 42));
    /* advertised, but refused */
    cr_assert(eq(int, decode_literal("\0\0\0\2\0\0\0\x2a\0\0", &header, &api), ERR_UNSUPPORTED));
    cr_assert(eq(int, header.request_api_version, 2));
    cr_assert(eq(int, decode_literal("\x7f\0\0\2\0\0\0\x2a\0\0", &header, &api), ERR_UNSUPPORTED));
    cr_assert(eq(ptr, (void *)api, NULL));
    cr_assert(eq(int, decode_literal("\0\0\0\2\0\0\0", &header, &api), ERR_TRUNCATED));
    cr_assert(eq(int, decode_literal("\0\3\0\1\0\0\0\x2a\0\3id", &header, &api), ERR_TRUNCATED));
}

Test(header, an_api_versions_response_has_no_tags_in_any_version, .init = setup, .fini = teardown)
{
    const struct api_desc *versions = api_find(API_API_VERSIONS);
    const struct api_desc *metadata = api_find(API_METADATA);

    for (int16_t v = 0; v <= versions->max; v++)
        cr_assert(eq(int, api_response_header_version(versions, v), 0));
    cr_assert(eq(int, api_response_header_version(metadata, 8), 0));
    cr_assert(eq(int, api_response_header_version(metadata, 9), 1));
    cr_assert(eq(int, api_request_header_version(versions, 2), 1));
    cr_assert(eq(int, api_request_header_version(versions, 99), 2));
    cr_assert(eq(int, header_encode_response(&f.writer, versions, 3, 1), OK));
    cr_assert(eq(u64, wire_writer_size(&f.writer), 4));
    cr_assert(eq(int, header_encode_response(&f.writer, metadata, 9, 1), OK));
    cr_assert(eq(u64, wire_writer_size(&f.writer), 9));
}

Test(header, both_sides_understand_each_other_in_every_served_version, .init = setup,
     .fini = teardown)
{
    for (int i = 0; i < KAFKA_API_COUNT; i++) {
        const struct api_desc *api = &kafka_apis[i], *found;
        for (int16_t v = api->served_min; v <= api->max; v++) {
            struct request_header header;
            struct wire_bytes bytes;
            int32_t correlation_id;

            arena_reset(&f.arena);
            wire_writer_init(&f.writer, &f.arena);
            cr_assert(
                eq(int, header_encode_request(&f.writer, api, v, 7, wire_string("client")), OK));
            cr_assert(eq(int, wire_writer_flatten(&f.writer, &bytes), OK));
            wire_reader_init(&f.reader, bytes.bytes, (size_t)bytes.size_bytes);
            cr_assert(eq(int, header_decode_request(&f.reader, &f.arena, &header, &found), OK));
            cr_assert(eq(ptr, (void *)found, (void *)api));
            cr_assert(eq(int, header.request_api_version, v));
            cr_assert(wire_string_is(header.client_id, "client"));
            cr_assert(eq(sz, wire_reader_left(&f.reader), 0));

            wire_writer_init(&f.writer, &f.arena);
            cr_assert(eq(int, header_encode_response(&f.writer, api, v, -7), OK));
            cr_assert(eq(int, wire_writer_flatten(&f.writer, &bytes), OK));
            wire_reader_init(&f.reader, bytes.bytes, (size_t)bytes.size_bytes);
            cr_assert(
                eq(int, header_decode_response(&f.reader, &f.arena, api, v, &correlation_id), OK));
            cr_assert(eq(int, correlation_id, -7));
            cr_assert(eq(sz, wire_reader_left(&f.reader), 0));
        }
    }
}

Test(api, produce_is_advertised_from_0_but_served_from_3)
{
    const struct api_desc *api = api_find(API_PRODUCE);

    cr_assert(eq(int, api->advertised_min, 0));
    cr_assert(eq(int, api->served_min, 3));
    cr_assert(eq(int, api->max, 13));
    cr_assert(not(api_serves(API_PRODUCE, 2)));
    cr_assert(api_serves(API_PRODUCE, 3));
    cr_assert(api_serves(API_PRODUCE, 13));
    cr_assert(not(api_serves(API_PRODUCE, 14)));
}

Test(api, only_versions_that_4_3_calls_stable_are_served)
{
    cr_assert(api_serves(API_INIT_PRODUCER_ID, 5));
    cr_assert(not(api_serves(API_INIT_PRODUCER_ID, 6))); /* unstable */
    cr_assert(not(api_serves(API_API_VERSIONS, 5)));     /* came with 4.4 */
    cr_assert(not(api_serves(API_UNREGISTER_CONTROLLER, 0)));
    cr_assert(eq(int, api_find(API_UNREGISTER_CONTROLLER)->max, -1));
    cr_assert(eq(ptr, (void *)api_find(4), NULL)); /* LeaderAndIsr is gone */
    cr_assert(eq(ptr, (void *)api_find(-1), NULL));
    cr_assert(eq(ptr, (void *)api_find(95), NULL));
}

Test(api, every_entry_is_found_and_consistent)
{
    for (int i = 0; i < KAFKA_API_COUNT; i++) {
        const struct api_desc *api = &kafka_apis[i];

        cr_assert(eq(ptr, (void *)api_find(api->key), (void *)api));
        cr_assert(i == 0 || api->key > kafka_apis[i - 1].key);
        cr_assert(eq(int, api->request->key, api->key));
        cr_assert(eq(int, api->response->key, api->key));
        cr_assert(eq(int, api->request->kind, MESSAGE_REQUEST));
        cr_assert(eq(int, api->response->kind, MESSAGE_RESPONSE));
        cr_assert(le(int, api->advertised_min, api->served_min));
        cr_assert(le(int, api->max, api->request->stable_max_version));
        cr_assert(le(int, api->max, api->response->stable_max_version));
        cr_assert(ne(int, api->flags &(API_BROKER_LISTENER | API_CONTROLLER_LISTENER), 0));
    }
}
