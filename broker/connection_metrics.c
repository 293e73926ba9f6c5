#include "broker/connection_metrics.h"

#include "base/check.h"
#include "base/metric_family.h"
#include "net/admission.h"
#include "net/conn_server.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LISTENER_LABEL_BYTES = 160 }; /* a name has below 64 bytes (config.h), each escaped */

/* reason="peer_closed" */
static void format_reason(uint32_t reason, char out[64])
{
    static const char *const names[CONN_CLOSE_COUNT] = {
#define CONN_CLOSE_NAME(name, text) [CONN_CLOSE_##name] = #name,
        CONN_CLOSE_LIST(CONN_CLOSE_NAME)
#undef CONN_CLOSE_NAME
    };
    char name[32];
    size_t size = strlen(names[reason]);
    enum err err;

    check(size < sizeof(name));
    for (size_t i = 0; i <= size; i++)
        name[i] = (char)tolower(names[reason][i]);
    out[0] = '\0';
    err = metrics_label(out, 64, "reason", name, size);
    check(err == OK);
}

void connection_metrics_register(const struct conn_counters *counters, struct metrics *metrics)
{
    metrics_add_counter(metrics, metric_family(FAMILY_CONNECTIONS_BLOCKED), "", &counters->blocked);
    for (uint32_t reason = 0; reason < CONN_CLOSE_COUNT; reason++) {
        char label[64];
        format_reason(reason, label);
        metrics_add_counter(metrics, metric_family(FAMILY_CONNECTIONS_CLOSED), label,
                            &counters->closed[reason]);
    }
}

void connection_metrics_register_listener(const struct conn_traffic *traffic, const char *name,
                                          struct metrics *metrics)
{
    const struct {
        enum metric_id id;
        const struct counter *counter;
    } plain[] = {
        {FAMILY_CONNECTIONS_OPENED, &traffic->opened},  {FAMILY_CONNECTIONS_ENDED, &traffic->ended},
        {FAMILY_REQUESTS_RECEIVED, &traffic->requests}, {FAMILY_NETWORK_IN, &traffic->in_bytes},
        {FAMILY_NETWORK_OUT, &traffic->out_bytes},
    };
    char label[LISTENER_LABEL_BYTES] = "";
    enum err err = metrics_label(label, sizeof(label), "listener", name, strlen(name));

    check(err == OK);
    for (size_t i = 0; i < array_count(plain); i++)
        metrics_add_counter(metrics, metric_family(plain[i].id), label, plain[i].counter);
    metrics_add_gauge(metrics, metric_family(FAMILY_CONNECTIONS), label, &traffic->open);
}

void connection_metrics_register_admission(const struct admission *admission,
                                           struct metrics *metrics)
{
    const struct metric_family *family = metric_family(FAMILY_CONNECTIONS_REFUSED);

    metrics_add_counter(metrics, family, "limit=\"max.connections\"", &admission->refused_by_total);
    metrics_add_counter(metrics, family, "limit=\"max.connections.per.ip\"",
                        &admission->refused_by_ip);
}
