/* DescribeUserScramCredentials (key 50; KIP-554): there are no users, and each that is asked for is
 * told so in Kafka's words. */
#include "base/hash_map.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/topic_name.h"
#include "net/protocol/msg_describe_user_scram_credentials.h"

typedef struct describe_user_scram_credentials_response_describe_user_scram_credentials_result
    answered_user;

static bool fill_user(struct request *request, struct wire_string name, answered_user *out)
{
    out->user = name;
    out->error_code = KAFKA_RESOURCE_NOT_FOUND;
    out->error_message = topic_name_text(
        &request->arena, "Attempt to describe a user credential that does not exist: ", name, "");
    return out->error_message.text != NULL;
}

static bool refuse_user(struct request *request, answered_user *out)
{
    if (out->error_code == KAFKA_DUPLICATE_RESOURCE)
        return true;
    out->error_code = KAFKA_DUPLICATE_RESOURCE;
    out->error_message = topic_name_text(
        &request->arena,
        "Cannot describe SCRAM credentials for the same user twice in a single request: ",
        out->user, "");
    return out->error_message.text != NULL;
}

static bool fill(struct request *request, struct hash_map *seen)
{
    const struct describe_user_scram_credentials_request *body = request->body;
    struct describe_user_scram_credentials_response *response = request->response;

    response->results.items = request_try_array(
        request,
        &describe_user_scram_credentials_response_describe_user_scram_credentials_result_struct,
        body->users.count);
    if (response->results.items == NULL)
        return false;
    for (int32_t i = 0; i < body->users.count; i++) {
        struct wire_string name = body->users.items[i].name;
        answered_user *out = hash_map_find(seen, name.text, (size_t)name.size_bytes);
        if (out != NULL) {
            if (!refuse_user(request, out))
                return false;
            continue;
        }
        out = &response->results.items[response->results.count++];
        if (!fill_user(request, name, out) ||
            hash_map_insert(seen, name.text, (size_t)name.size_bytes, out) != OK)
            return false;
    }
    return true;
}

void handle_describe_user_scram_credentials(struct request *request)
{
    struct hash_map seen;
    bool is_fine;

    hash_map_init(&seen, prng_u64(&request->home->prng));
    is_fine = fill(request, &seen);
    hash_map_deinit(&seen);
    if (is_fine)
        request_answer(request);
    else
        request_refuse_memory(request);
}
