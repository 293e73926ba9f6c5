#include "net/client/client_identity.h"

#include "base/check.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

#include <limits.h>

enum { VERSION_MAX = 5 };

static void on_answer(struct client_call *call, enum err err, const void *response);

static void on_retry(struct timer *timer)
{
    struct client_identity *identity = container_of(timer, struct client_identity, retry);

    identity->is_asking = false;
    client_identity_ask(identity);
}

void client_identity_init(struct client_identity *identity, struct client_cluster *cluster)
{
    *identity =
        (struct client_identity){.cluster = cluster, .producer_id = -1, .producer_epoch = -1};
    timer_init(&identity->retry, on_retry);
}

static void ask_later(struct client_identity *identity)
{
    uint32_t delay_ms = client_cluster_backoff_ms(identity->cluster, identity->attempts_count++);

    identity->is_asking = true;
    loop_set_timer_ms(client_cluster_env(identity->cluster)->loop, &identity->retry, delay_ms);
}

void client_identity_ask(struct client_identity *identity)
{
    if (identity->is_asking || identity->is_stopped)
        return;
    codec_set_defaults(&init_producer_id_request_desc, &identity->request);
    identity->request.transactional_id = wire_string(NULL);
    identity->request.transaction_timeout_ms = INT_MAX;
    identity->call = (struct client_call){.key = API_INIT_PRODUCER_ID,
                                          .max_version = VERSION_MAX,
                                          .fails_with_connection = true,
                                          .request = &identity->request,
                                          .done = on_answer};
    identity->is_asking = true;
    if (client_broker_call(client_cluster_any(identity->cluster), &identity->call) != OK)
        ask_later(identity);
    else
        identity->is_called = true;
}

static void on_answer(struct client_call *call, enum err err, const void *response)
{
    struct client_identity *identity = container_of(call, struct client_identity, call);
    const struct init_producer_id_response *answer = response;
    int16_t error_code = err == OK ? answer->error_code : KAFKA_NONE;

    identity->is_called = false;
    identity->is_asking = false;
    if (identity->is_stopped) {
        identity->known(identity); /* who waits for the end looks again */
    } else if (err == OK && error_code == KAFKA_NONE) {
        identity->attempts_count = 0;
        client_identity_set(identity, answer->producer_id, answer->producer_epoch);
        identity->known(identity);
    } else if (err == ERR_UNSUPPORTED ||
               (error_code != KAFKA_NONE && !kafka_error_is_retriable(error_code))) {
        identity->refused(identity, error_code, err);
    } else {
        ask_later(identity);
    }
}

void client_identity_new_epoch(struct client_identity *identity)
{
    if (identity->producer_id < 0)
        return; /* one is asked for */
    if (identity->producer_epoch < INT16_MAX) {
        identity->producer_epoch++;
        return;
    }
    client_identity_set(identity, -1, -1);
    client_identity_ask(identity);
}

void client_identity_set(struct client_identity *identity, int64_t producer_id,
                         int16_t producer_epoch)
{
    identity->producer_id = producer_id;
    identity->producer_epoch = producer_epoch;
}

void client_identity_stop(struct client_identity *identity)
{
    identity->is_stopped = true;
    loop_cancel_timer(client_cluster_env(identity->cluster)->loop, &identity->retry);
    if (identity->is_called)
        client_broker_cancel(&identity->call);
}

bool client_identity_is_idle(const struct client_identity *identity)
{
    return !identity->is_called;
}
