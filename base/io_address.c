#include "base/io.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void io_address_format_host(const struct io_address *address, char text[IO_ADDRESS_TEXT_MAX])
{
    if (inet_ntop(address->family, address->ip, text, IO_ADDRESS_TEXT_MAX) == NULL)
        strcpy(text, "?"); /* neither of the two families: a zeroed address */
}

void io_address_format(const struct io_address *address, char text[IO_ADDRESS_TEXT_MAX])
{
    char host[IO_ADDRESS_TEXT_MAX];

    io_address_format_host(address, host);
    if (address->family == AF_INET6)
        snprintf(text, IO_ADDRESS_TEXT_MAX, "[%.*s]:%u", INET6_ADDRSTRLEN, host,
                 (unsigned)address->port);
    else
        snprintf(text, IO_ADDRESS_TEXT_MAX, "%.*s:%u", INET6_ADDRSTRLEN, host,
                 (unsigned)address->port);
}

/* "[::1]" as "::1"; what is not bracketed stays as it is.  False: too long to be an address. */
static bool strip_brackets(const char *host, char out[IO_ADDRESS_TEXT_MAX])
{
    size_t size = strlen(host);

    if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
        host++;
        size -= 2;
    }
    if (size >= IO_ADDRESS_TEXT_MAX)
        return false;
    memcpy(out, host, size);
    out[size] = '\0';
    return true;
}

enum err io_address_parse(const char *host, uint16_t port, struct io_address *out)
{
    char text[IO_ADDRESS_TEXT_MAX];
    struct io_address address = {.port = port};

    if (host[0] == '\0')
        host = "::";
    else if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, address.ip) == 1) {
        address.family = AF_INET;
    } else if (strip_brackets(host, text) && inet_pton(AF_INET6, text, address.ip) == 1) {
        address.family = AF_INET6;
    } else {
        return ERR_INVALID;
    }
    *out = address;
    return OK;
}
