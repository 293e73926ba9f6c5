/* Listeners out of listeners, advertised.listeners and listener.security.protocol.map. */
#include "base/check.h"
#include "base/text.h"
#include "broker/config/config_value.h"
#include "broker/config_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct endpoint {
    char name[64];
    char host[256];
    uint16_t port;
};

/* "NAME://host:port", host possibly empty or in brackets. */
static bool parse_endpoint(const char *text, size_t size_bytes, struct endpoint *out)
{
    const char *scheme = memmem(text, size_bytes, "://", 3);
    const char *end = text + size_bytes;
    const char *host;
    const char *host_end;
    const char *colon;
    int64_t port;

    if (scheme == NULL || scheme == text || (size_t)(scheme - text) >= sizeof(out->name))
        return false;
    host = scheme + 3;
    colon = memrchr(host, ':', (size_t)(end - host));
    if (colon == NULL ||
        text_parse_i64(colon + 1, (size_t)(end - colon - 1), 0, 65535, &port) != OK)
        return false;
    host_end = colon;
    if (host < host_end && *host == '[' && host_end[-1] == ']') {
        host++;
        host_end--;
    }
    if ((size_t)(host_end - host) >= sizeof(out->host))
        return false;
    *out = (struct endpoint){.port = (uint16_t)port};
    for (const char *c = text; c < scheme; c++) /* names are compared in upper case, as in Kafka */
        out->name[c - text] = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    memcpy(out->host, host, (size_t)(host_end - host));
    return true;
}

/* Each comma-separated piece, without blanks around it; false stops. */
static bool each_piece(const char *list, bool (*visit)(void *context, const char *, size_t),
                       void *context)
{
    while (*list != '\0') {
        size_t size_bytes = strcspn(list, ",");
        const char *piece = list;
        size_t piece_bytes = size_bytes;
        while (piece_bytes > 0 && (*piece == ' ' || *piece == '\t')) {
            piece++;
            piece_bytes--;
        }
        while (piece_bytes > 0 && (piece[piece_bytes - 1] == ' '))
            piece_bytes--;
        if (piece_bytes > 0 && !visit(context, piece, piece_bytes))
            return false;
        list += size_bytes;
        list += *list == ',';
    }
    return true;
}

struct derivation {
    struct config *config;
    const char *name; /* looked for in the protocol map */
    int16_t protocol;
    char *problem;
    size_t problem_max;
};

static bool find_protocol(void *context, const char *piece, size_t size_bytes)
{
    static const char *const protocols[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
    struct derivation *derivation = context;
    const char *colon = memchr(piece, ':', size_bytes);

    if (colon == NULL || !text_equal_nocase(piece, (size_t)(colon - piece), derivation->name))
        return true;
    for (int16_t i = 0; i < (int16_t)array_count(protocols); i++)
        if (text_equal_nocase(colon + 1, (size_t)(piece + size_bytes - colon - 1), protocols[i]))
            derivation->protocol = i;
    return true;
}

static bool is_wanted_name(void *context, const char *piece, size_t size_bytes)
{
    const struct derivation *derivation = context;

    return !text_equal_nocase(piece, size_bytes, derivation->name); /* false stops: it is */
}

/* Kafka's combined mode: a listener of the controller, which is inside and has no socket here. */
static bool is_controllers(struct derivation *derivation)
{
    const char *names = config_text(derivation->config, CONFIG_CONTROLLER_LISTENER_NAMES);

    if (*names == '\0')
        return strcmp(derivation->name, "CONTROLLER") == 0 && derivation->protocol < 0;
    return !each_piece(names, is_wanted_name, derivation);
}

static bool add_listener(void *context, const char *piece, size_t size_bytes)
{
    struct derivation *derivation = context;
    struct config *config = derivation->config;
    struct config_listener *listener = &config->listeners[config->listener_count];
    struct endpoint endpoint;

    if (!parse_endpoint(piece, size_bytes, &endpoint) ||
        config->listener_count == CONFIG_LISTENERS_MAX) {
        snprintf(derivation->problem, derivation->problem_max,
                 "listeners: %.*s cannot be read; write NAME://host:port", (int)size_bytes, piece);
        return false;
    }
    for (uint32_t i = 0; i < config->listener_count; i++)
        if (strcmp(config->listeners[i].name, endpoint.name) == 0) {
            snprintf(derivation->problem, derivation->problem_max,
                     "listeners: two are named %s; each needs a name of its own", endpoint.name);
            return false;
        }
    derivation->name = endpoint.name;
    derivation->protocol = -1;
    each_piece(config_text(config, CONFIG_LISTENER_SECURITY_PROTOCOL_MAP), find_protocol,
               derivation);
    if (is_controllers(derivation))
        return true;
    if (derivation->protocol < 0) {
        snprintf(derivation->problem, derivation->problem_max,
                 "listeners: %s has no security protocol; name it in "
                 "listener.security.protocol.map",
                 endpoint.name);
        return false;
    }
    if (derivation->protocol != 0) {
        snprintf(derivation->problem, derivation->problem_max,
                 "listeners: %s wants TLS or SASL, which are not supported yet; only PLAINTEXT is",
                 endpoint.name);
        return false;
    }
    *listener =
        (struct config_listener){.port = endpoint.port, .security_protocol = derivation->protocol};
    memcpy(listener->name, endpoint.name, sizeof(listener->name));
    memcpy(listener->host, endpoint.host, sizeof(listener->host));
    config->listener_count++;
    return true;
}

static bool advertise(void *context, const char *piece, size_t size_bytes)
{
    struct derivation *derivation = context;
    struct config *config = derivation->config;
    struct endpoint endpoint;

    if (!parse_endpoint(piece, size_bytes, &endpoint) || endpoint.host[0] == '\0') {
        snprintf(derivation->problem, derivation->problem_max,
                 "advertised.listeners: %.*s cannot be read; write NAME://host:port with a host",
                 (int)size_bytes, piece);
        return false;
    }
    for (uint32_t i = 0; i < config->listener_count; i++) {
        struct config_listener *listener = &config->listeners[i];
        if (strcmp(listener->name, endpoint.name) != 0)
            continue;
        memcpy(listener->advertised_host, endpoint.host, sizeof(endpoint.host));
        listener->advertised_port = endpoint.port;
        return true;
    }
    derivation->name = endpoint.name;
    derivation->protocol = -1;
    if (is_controllers(derivation))
        return true;
    snprintf(derivation->problem, derivation->problem_max,
             "advertised.listeners: %s is not one of listeners", endpoint.name);
    return false;
}

enum err config_derive(struct config *config, char *problem_out, size_t problem_max)
{
    struct derivation derivation = {
        .config = config, .problem = problem_out, .problem_max = problem_max};
    const char *advertised = config_text(config, CONFIG_ADVERTISED_LISTENERS);
    enum config_id id =
        config_is_set(config, CONFIG_NODE_ID) || !config_is_set(config, CONFIG_BROKER_ID)
            ? CONFIG_NODE_ID
            : CONFIG_BROKER_ID;

    config->node_id = (int32_t)config_value_i64(&config->typed, config_key(id));
    if (config->node_id < 0) {
        snprintf(problem_out, problem_max, "%s must be 0 or more", config_key(id)->name);
        return ERR_INVALID;
    }
    if (!each_piece(config_text(config, CONFIG_LISTENERS), add_listener, &derivation))
        return ERR_INVALID;
    if (config->listener_count == 0) {
        snprintf(problem_out, problem_max, "listeners: at least one is needed");
        return ERR_INVALID;
    }
    if (advertised != NULL && !each_piece(advertised, advertise, &derivation))
        return ERR_INVALID;
    return OK;
}

int32_t config_node_id(const struct config *config)
{
    return config->node_id;
}

uint32_t config_listener_count(const struct config *config)
{
    return config->listener_count;
}

const struct config_listener *config_listener_at(const struct config *config, uint32_t index)
{
    check(index < config->listener_count);
    return &config->listeners[index];
}
