#include "broker/endpoint.h"

#include "broker/config.h"

#include <string.h>

const char *endpoint_listener(const struct request *request)
{
    return request->client->listener;
}

void endpoint_for(const struct request *request, char host_out[static ENDPOINT_HOST_MAX],
                  uint16_t *port_out)
{
    const struct config *config = request->home->config;
    const char *name = endpoint_listener(request);
    char text[IO_ADDRESS_TEXT_MAX];

    for (uint32_t i = 0; name != NULL && i < config_listener_count(config); i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        if (strcmp(listener->name, name) != 0 || listener->advertised_host[0] == '\0')
            continue;
        memcpy(host_out, listener->advertised_host, ENDPOINT_HOST_MAX);
        *port_out = listener->advertised_port;
        return;
    }
    io_address_format_host(&request->client->local, text);
    memcpy(host_out, text, strlen(text) + 1);
    *port_out = request->client->local.port;
}
