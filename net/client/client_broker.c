/* The connection: looked up, dialled, greeted (ApiVersions), given up. */
#include "base/mem.h"
#include "net/client/client_broker_private.h"

#include <stdio.h>
#include <string.h>

static struct loop *loop_of(const struct client_broker *broker)
{
    return broker->options.env->loop;
}

/* ---- what is heard of the connection */

static void look_up(struct client_broker *broker);

/* The next of its addresses; behind the last one the name may have others.  False: the attempt has
 * failed, at all of them. */
static bool try_elsewhere(struct client_broker *broker)
{
    if (broker->is_numeric || broker->is_ending)
        return false;
    if (++broker->address_index < broker->addresses_count) {
        dial_redirect(&broker->dial, &broker->addresses[broker->address_index]);
        return true;
    }
    if (!broker->is_looking_up)
        look_up(broker);
    return false;
}

static void tell_down(struct client_broker *broker, enum err err, const char *reason,
                      bool was_connected)
{
    broker->last_err = err;
    broker->reason = reason;
    broker->was_connected = was_connected;
    if (broker->options.down != NULL)
        broker->options.down(broker->options.context, broker, err);
}

/* An attempt has failed, unless another address is left. */
static void fail_attempt(struct client_broker *broker, enum err err, bool was_connected)
{
    if (try_elsewhere(broker))
        return;
    client_broker_end_waiting(broker, ERR_REFUSED, true);
    if (!broker->is_ending)
        tell_down(broker, err, NULL, was_connected);
}

static void on_up(void *context, struct dial *dial)
{
    struct client_broker *broker = context;

    client_broker_greet(broker, api_find(API_API_VERSIONS)->max);
}

static void on_frame(void *context, struct dial *dial, struct buf *frame, uint32_t size_bytes)
{
    client_broker_take_frame(context, frame, size_bytes);
}

static void on_down(void *context, struct dial *dial, enum err err)
{
    struct client_broker *broker = context;
    bool was_ready = broker->is_ready;

    broker->is_ready = false;
    client_versions_clear(&broker->versions);
    client_broker_end_flights(broker, err);
    if (broker->state == CLIENT_BROKER_LIES_DOWN || broker->is_ending)
        return;
    if (was_ready)
        tell_down(broker, err, NULL, true);
    else
        fail_attempt(broker, err, true);
}

static void on_failed(void *context, struct dial *dial, enum err err, uint64_t delay_ms)
{
    fail_attempt(context, err, false);
}

static void on_closed(struct dial *dial)
{
    struct client_broker *broker = container_of(dial, struct client_broker, dial);

    broker->state = CLIENT_BROKER_RESTS;
    if (broker->is_ending)
        client_broker_may_end(broker);
    else if (!list_is_empty(&broker->waiting))
        client_broker_wake(broker);
}

void client_broker_fail(struct client_broker *broker, enum err err)
{
    if (broker->state == CLIENT_BROKER_DIALS && dial_is_up(&broker->dial))
        dial_hang_up(&broker->dial, err);
}

static void open_dial(struct client_broker *broker)
{
    static const struct dial_events events = {
        .up = on_up, .frame = on_frame, .down = on_down, .failed = on_failed};
    const struct client_broker_options *options = &broker->options;
    struct dial_options dial_options = {
        .loop = options->env->loop,
        .slab = options->env->slab,
        .prng = options->env->prng,
        .to = broker->addresses[broker->address_index],
        .frame_max_bytes = options->frame_max_bytes,
        .connect_max_ms = options->connect_max_ms,
        .backoff_first_ms = options->backoff_first_ms,
        .backoff_max_ms = options->backoff_max_ms,
        .events = &events,
        .context = broker,
        .is_confirmed_by_owner = true,
    };

    broker->state = CLIENT_BROKER_DIALS;
    dial_open(&broker->dial, &dial_options);
}

/* ---- names */

static void on_pause(struct timer *timer)
{
    struct client_broker *broker = container_of(timer, struct client_broker, pause);

    broker->state = CLIENT_BROKER_LOOKS_UP;
    look_up(broker);
}

static void on_not_found(struct client_broker *broker, enum err err)
{
    const struct client_broker_options *options = &broker->options;
    uint64_t delay_ms = dial_backoff_ms(options->env->prng, options->backoff_first_ms,
                                        options->backoff_max_ms, broker->lookups_failed_count++);

    if (broker->state != CLIENT_BROKER_LOOKS_UP)
        return; /* dialled on, where it was */
    broker->state = CLIENT_BROKER_PAUSES;
    loop_set_timer_ms(loop_of(broker), &broker->pause, delay_ms);
    client_broker_end_waiting(broker, ERR_REFUSED, true);
    tell_down(broker, err, broker->lookup.reason, false);
}

static void on_looked_up(struct client_lookup *lookup, enum err err)
{
    struct client_broker *broker = container_of(lookup, struct client_broker, lookup);

    broker->is_looking_up = false;
    if (broker->is_ending) {
        if (broker->state == CLIENT_BROKER_LOOKS_UP)
            broker->state = CLIENT_BROKER_RESTS;
        client_broker_may_end(broker);
        return;
    }
    if (err != OK || lookup->addresses_count == 0) {
        on_not_found(broker, err == OK ? ERR_NOT_FOUND : err);
        return;
    }
    broker->lookups_failed_count = 0;
    memcpy(broker->addresses, lookup->addresses, sizeof(broker->addresses));
    broker->addresses_count = lookup->addresses_count;
    broker->address_index = 0;
    if (broker->state == CLIENT_BROKER_LOOKS_UP)
        open_dial(broker);
    else if (broker->state == CLIENT_BROKER_DIALS)
        dial_redirect(&broker->dial, &broker->addresses[0]);
}

static void look_up(struct client_broker *broker)
{
    struct client_names *names = broker->options.env->names;

    broker->is_looking_up = true;
    broker->lookup = (struct client_lookup){
        .host = broker->host, .port = broker->options.port, .done = on_looked_up};
    names->look_up(names, &broker->lookup, loop_of(broker));
}

void client_broker_wake(struct client_broker *broker)
{
    if (broker->state != CLIENT_BROKER_RESTS || broker->is_ending)
        return;
    broker->is_used = true;
    if (broker->is_numeric) {
        open_dial(broker);
        return;
    }
    broker->state = CLIENT_BROKER_LOOKS_UP;
    if (!broker->is_looking_up)
        look_up(broker);
}

/* ---- life */

enum err client_broker_create(const struct client_broker_options *options,
                              struct client_broker **out)
{
    size_t host_bytes = strlen(options->host);
    struct client_broker *broker;
    struct io_address address;
    bool is_numeric;

    if (host_bytes == 0 || host_bytes >= CLIENT_HOST_MAX)
        return ERR_INVALID;
    /* localhost may be ::1 alone: where names are asked for, that one is, too */
    is_numeric = io_address_parse(options->host, options->port, &address) == OK &&
                 (options->env->names == NULL || strcmp(options->host, "localhost") != 0);
    if (!is_numeric && options->env->names == NULL)
        return ERR_INVALID;
    broker = mem_try_alloc(sizeof(*broker));
    if (broker == NULL)
        return ERR_NOMEM;
    broker->options = *options;
    memcpy(broker->host, options->host, host_bytes + 1);
    broker->options.host = broker->host;
    snprintf(broker->name, sizeof(broker->name),
             strchr(broker->host, ':') != NULL && broker->host[0] != '[' ? "[%s]:%u" : "%s:%u",
             broker->host, (unsigned)options->port);
    broker->is_numeric = is_numeric;
    if (is_numeric) {
        broker->addresses[0] = address;
        broker->addresses_count = 1;
    }
    timer_init(&broker->pause, on_pause);
    client_versions_clear(&broker->versions);
    client_broker_calls_init(broker);
    *out = broker;
    return OK;
}

void client_broker_may_end(struct client_broker *broker)
{
    void (*closed)(void *) = broker->closed;
    void *context = broker->closed_context;

    if (!broker->is_ending)
        return;
    if (broker->state != CLIENT_BROKER_RESTS || broker->is_looking_up ||
        !list_is_empty(&broker->ended)) {
        if (!list_is_empty(&broker->ended))
            loop_defer(loop_of(broker), &broker->task);
        return;
    }
    check(broker->calls_count == 0 && broker->orphans_count == 0);
    client_broker_calls_deinit(broker);
    mem_free(broker);
    if (closed != NULL)
        closed(context);
}

static void end(struct client_broker *broker, enum err err, void (*closed)(void *context),
                void *context)
{
    check(!broker->is_ending);
    broker->is_ending = true;
    broker->end_err = err;
    broker->closed = closed;
    broker->closed_context = context;
    loop_cancel_timer(loop_of(broker), &broker->pause);
    client_broker_end_waiting(broker, err, false);
    if (broker->state == CLIENT_BROKER_DIALS)
        dial_close(&broker->dial, on_closed);
    else if (broker->state == CLIENT_BROKER_PAUSES)
        broker->state = CLIENT_BROKER_RESTS;
    if (broker->is_used || closed != NULL)
        loop_defer(loop_of(broker), &broker->task);
    else
        client_broker_may_end(broker); /* nothing of it is under way */
}

void client_broker_destroy(struct client_broker *broker, void (*closed)(void *context),
                           void *context)
{
    end(broker, ERR_CANCELED, closed, context);
}

void client_broker_retire(struct client_broker *broker, void (*closed)(void *context),
                          void *context)
{
    end(broker, ERR_CLOSED, closed, context);
}

void client_broker_dial(struct client_broker *broker)
{
    client_broker_wake(broker);
}

void client_broker_rest(struct client_broker *broker)
{
    if (broker->calls_count > 0 || broker->orphans_count > 0 || broker->is_ending)
        return;
    if (broker->state == CLIENT_BROKER_PAUSES) {
        loop_cancel_timer(loop_of(broker), &broker->pause);
        broker->state = CLIENT_BROKER_RESTS;
    } else if (broker->state == CLIENT_BROKER_DIALS) {
        broker->state = CLIENT_BROKER_LIES_DOWN;
        dial_close(&broker->dial, on_closed);
    }
}

/* ---- what is known */

int16_t client_broker_version(const struct client_broker *broker, int16_t key, int16_t max_version)
{
    const struct api_desc *api = api_find(key);

    return api == NULL ? -1 : client_versions_pick(&broker->versions, api, max_version);
}

bool client_broker_is_up(const struct client_broker *broker)
{
    return broker->is_ready;
}

int32_t client_broker_node_id(const struct client_broker *broker)
{
    return broker->options.node_id;
}

uint32_t client_broker_calls_count(const struct client_broker *broker)
{
    return broker->calls_count + broker->orphans_count;
}

const char *client_broker_name(const struct client_broker *broker)
{
    return broker->name;
}

enum err client_broker_last_error(const struct client_broker *broker)
{
    return broker->last_err;
}

const char *client_broker_reason(const struct client_broker *broker)
{
    return broker->reason != NULL ? broker->reason : err_text(broker->last_err);
}

bool client_broker_was_connected(const struct client_broker *broker)
{
    return broker->was_connected;
}

int16_t client_broker_feature(const struct client_broker *broker, const char *name)
{
    return client_versions_feature(&broker->versions, name);
}
