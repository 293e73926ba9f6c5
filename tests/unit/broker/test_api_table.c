/* What the table says of each API is what is done. */
#include "broker/api_table.h"
#include "net/protocol/kafka_tables.h"
#include "tests/unit/broker/sink_rig.h"

TestSuite(api_table, .timeout = 120);

Test(api_table, rows_rise_and_are_served_by_brokers)
{
    int16_t before = -1;

    for (uint32_t i = 0; api_table_at(i) != NULL; i++) {
        const struct api_row *row = api_table_at(i);
        const struct api_desc *api = api_find(row->key);
        cr_assert(lt(int, before, row->key));
        before = row->key;
        cr_assert(api != NULL && (api->flags & API_BROKER_LISTENER) != 0);
        cr_assert(row->handle != NULL);
        cr_assert(api_table_find(row->key) == row);
        cr_assert(row->rule >= API_RULE_NONE && row->rule <= API_RULE_EACH);
        cr_assert(eq(int, row->operation != 0, row->rule != API_RULE_NONE));
        cr_assert(row->rule != API_RULE_WHOLE ||
                  row->resource_type == KAFKA_ACL_RESOURCE_TYPE_CLUSTER);
    }
    cr_assert(api_table_find(API_VOTE) == NULL);
    cr_assert(api_table_find(-1) == NULL);
}

/* Kafka: SaslServerAuthenticator handles these and no others. */
Test(api_table, before_authentication_there_are_three)
{
    for (uint32_t i = 0; api_table_at(i) != NULL; i++) {
        int16_t key = api_table_at(i)->key;
        bool is_one =
            key == API_API_VERSIONS || key == API_SASL_HANDSHAKE || key == API_SASL_AUTHENTICATE;
        cr_assert(eq(int, api_table_at(i)->before_authentication, is_one));
    }
}

/* ---- who may nothing */

static int8_t asked_operation;
static uint32_t asked_count;

static bool deny(const struct authorizer *authorizer, const struct client *client, int8_t operation,
                 int8_t resource_type, const char *name, size_t name_bytes)
{
    cr_assert(eq(str, (char *)(uintptr_t)client->principal, CLIENT_ANONYMOUS));
    if (resource_type == KAFKA_ACL_RESOURCE_TYPE_CLUSTER) {
        cr_assert(eq(int, strncmp(name, "kafka-cluster", name_bytes), 0));
        asked_operation = operation;
    }
    asked_count++;
    return false;
}

static const struct authorizer denier = {.may = deny};

/* Each array has one element; the rest are defaults. */
static void fill(const struct struct_desc *desc, int16_t version, struct arena *arena, void *out)
{
    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        struct wire_array *array = (void *)((uint8_t *)out + field->offset);

        if (!version_in(version, &field->present) || (field->flags & FIELD_ARRAY) == 0)
            continue;
        array->count = 1;
        if (field->type == FIELD_STRUCT) {
            array->items = codec_new_array(field->element, arena, 1);
            fill(field->element, version, arena, array->items);
        } else {
            array->items = arena_alloc(arena, sizeof(struct wire_string)); /* of any: zeroes */
            if (field->type == FIELD_STRING)
                *(struct wire_string *)array->items = wire_string("x");
        }
    }
}

/* How many codes there are in an answer; each is code. */
static int count_codes(const struct struct_desc *desc, int16_t version, const void *at,
                       int16_t code)
{
    int count = 0;

    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        const uint8_t *value = (const uint8_t *)at + field->offset;
        const struct wire_array *array = (const void *)value;

        if (!version_in(version, &field->present))
            continue;
        if (strcmp(field->name, "error_code") == 0) {
            cr_assert(eq(i16, *(const int16_t *)(const void *)value, code), "%s", desc->name);
            count++;
        } else if (field->type == FIELD_STRUCT && (field->flags & FIELD_ARRAY) != 0) {
            for (int32_t e = 0; e < array->count; e++)
                count += count_codes(
                    field->element, version,
                    (const uint8_t *)array->items + (size_t)e * field->element->size_bytes, code);
        }
    }
    return count;
}

static struct asking asking; /* too large for the stack */

Test(api_table, who_may_nothing_is_told_so_of_the_whole)
{
    struct arena arena;

    live_start(1, NULL);
    for (uint32_t i = 0; api_table_at(i) != NULL; i++) {
        const struct api_row *row = api_table_at(i);
        const struct api_desc *api = api_find(row->key);
        const void *response;
        void *body;

        if (row->rule != API_RULE_WHOLE)
            continue;
        arena_init(&arena, 1 << 20);
        body = arena_alloc(&arena, api->request->body->size_bytes);
        codec_set_defaults(api->request, body);
        fill(api->request->body, api->max, &arena, body);
        asked_count = 0;
        sink_ask(&asking, 0, row->key, api->max, body);
        asking.client.authorizer = &denier; /* the request begins in the shard's next turn */
        response = sink_wait(&asking);
        cr_assert(response != NULL, "%s", api->name);
        cr_assert(eq(u32, asked_count, 1), "%s", api->name);
        cr_assert(eq(i8, asked_operation, row->operation), "%s", api->name);
        cr_assert(lt(int, 0,
                     count_codes(api->response->body, api->max, response,
                                 KAFKA_CLUSTER_AUTHORIZATION_FAILED)),
                  "%s", api->name);
        sink_forget(&asking);
        arena_deinit(&arena);
    }
}
