/* DescribeClientQuotas (key 48; KIP-546): nobody has a quota here; a filter that is wrong is told
 * so in Kafka's words (ClientQuotasImage.describe). */
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/topic_name.h"
#include "net/protocol/msg_describe_client_quotas.h"

typedef struct describe_client_quotas_request_component_data component;

enum { MATCH_EXACT = 0, MATCH_DEFAULT = 1, MATCH_SPECIFIED = 2 };
enum { ENTITY_USER, ENTITY_CLIENT_ID, ENTITY_IP, ENTITY_COUNT };

static const char *const entity_names[ENTITY_COUNT] = {"user", "client-id", "ip"};

static int16_t check_match(struct request *request, const component *asked,
                           struct wire_string *message_out)
{
    switch (asked->match_type) {
    case MATCH_EXACT:
        if (asked->match.text != NULL)
            return KAFKA_NONE;
        *message_out =
            wire_string("Request specified MATCH_TYPE_EXACT, but set match string to null.");
        return KAFKA_INVALID_REQUEST;
    case MATCH_DEFAULT:
    case MATCH_SPECIFIED:
        if (asked->match.text == NULL)
            return KAFKA_NONE;
        *message_out = wire_string(
            asked->match_type == MATCH_DEFAULT
                ? "Request specified MATCH_TYPE_DEFAULT, but also specified a match string."
                : "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
        return KAFKA_INVALID_REQUEST;
    default:
        *message_out =
            wire_string(arena_printf(&request->arena, "Unknown match type %d", asked->match_type));
        return KAFKA_INVALID_REQUEST;
    }
}

/* Its place in entity_names, or ENTITY_COUNT. */
static size_t entity_of(const component *asked)
{
    size_t e = 0;

    while (e < ENTITY_COUNT && !wire_string_is(asked->entity_type, entity_names[e]))
        e++;
    return e;
}

static int16_t check_entity(struct request *request, const component *asked,
                            bool seen[ENTITY_COUNT], struct wire_string *message_out)
{
    size_t e = entity_of(asked);

    if (asked->entity_type.size_bytes == 0) {
        *message_out = wire_string("Invalid empty entity type.");
        return KAFKA_INVALID_REQUEST;
    }
    if (e == ENTITY_COUNT) {
        *message_out =
            topic_name_text(&request->arena, "Unsupported entity type ", asked->entity_type, "");
        return KAFKA_UNSUPPORTED_VERSION;
    }
    if (seen[e]) {
        *message_out = topic_name_text(&request->arena, "Entity type ", asked->entity_type,
                                       " cannot appear more than once in the filter.");
        return KAFKA_INVALID_REQUEST;
    }
    seen[e] = true;
    return KAFKA_NONE;
}

static int16_t check_filter(struct request *request, struct wire_string *message_out)
{
    const struct describe_client_quotas_request *body = request->body;
    bool seen[ENTITY_COUNT] = {0};
    int16_t error_code = KAFKA_NONE;

    for (int32_t i = 0; i < body->components.count && error_code == KAFKA_NONE; i++) {
        error_code = check_match(request, &body->components.items[i], message_out);
        if (error_code == KAFKA_NONE)
            error_code = check_entity(request, &body->components.items[i], seen, message_out);
    }
    if (error_code == KAFKA_NONE && seen[ENTITY_IP] &&
        (seen[ENTITY_USER] || seen[ENTITY_CLIENT_ID])) {
        *message_out = wire_string(
            "Invalid entity filter component combination. IP filter component should not be used "
            "with user or clientId filter component.");
        error_code = KAFKA_INVALID_REQUEST;
    }
    return error_code;
}

void handle_describe_client_quotas(struct request *request)
{
    struct describe_client_quotas_response *response = request->response;

    response->error_code = check_filter(request, &response->error_message);
    if (response->error_code != KAFKA_NONE)
        response->entries.count = -1; /* null */
    request_answer(request);
}
