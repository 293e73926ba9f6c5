#include "broker/config_ip_overrides.h"

#include "base/text.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

enum { SHOWN_BYTES_MAX = 80 };

struct piece {
    const char *text;
    size_t size_bytes;
};

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ';
}

static struct piece trim(struct piece piece)
{
    while (piece.size_bytes > 0 && is_blank(piece.text[0])) {
        piece.text++;
        piece.size_bytes--;
    }
    while (piece.size_bytes > 0 && is_blank(piece.text[piece.size_bytes - 1]))
        piece.size_bytes--;
    return piece;
}

/* Commas at the end do not count (Java's String.split). */
static struct piece trim_list(struct piece list)
{
    list = trim(list);
    while (list.size_bytes > 0 && list.text[list.size_bytes - 1] == ',') {
        list.size_bytes--;
        list = trim(list);
    }
    return list;
}

/* A peer that came as ::ffff:a.b.c.d is told as IPv4 (io's names), so is an override for it. */
static void unmap(struct io_address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    if (address->family != AF_INET6 || memcmp(address->ip, prefix, sizeof(prefix)) != 0)
        return;
    address->family = AF_INET;
    memmove(address->ip, address->ip + 12, 4);
    memset(address->ip + 4, 0, 12);
}

/* io_address_parse also takes what stands for an address: nothing, and localhost. */
static bool parse_address(struct piece host, struct io_address *out)
{
    char text[IO_ADDRESS_TEXT_MAX];

    if (host.size_bytes == 0 || host.size_bytes >= sizeof(text) ||
        memchr(host.text, '\0', host.size_bytes) != NULL ||
        text_equal(host.text, host.size_bytes, "localhost"))
        return false;
    memcpy(text, host.text, host.size_bytes);
    text[host.size_bytes] = '\0';
    if (io_address_parse(text, 0, out) != OK)
        return false;
    unmap(out);
    return true;
}

/* NULL, or why entry cannot be read. */
static const char *parse_entry(struct piece entry, struct admission_override *out)
{
    const char *colon = entry.size_bytes == 0 ? NULL : memrchr(entry.text, ':', entry.size_bytes);
    struct piece host, count;
    int64_t max;

    if (colon == NULL)
        return "Each entry must be address:count";
    host = (struct piece){entry.text, (size_t)(colon - entry.text)};
    count = (struct piece){colon + 1, entry.size_bytes - host.size_bytes - 1};
    if (!parse_address(trim(host), &out->address))
        return "An IPv4 or IPv6 address is needed before the last colon; host names are not "
               "resolved";
    count = trim(count);
    if (text_parse_i64(count.text, count.size_bytes, 0, INT32_MAX, &max) != OK)
        return "The count after the last colon must be a number from 0 to 2147483647";
    out->connections_max = (uint32_t)max;
    return NULL;
}

enum err config_ip_overrides_parse(const char *text, size_t size_bytes,
                                   struct config_ip_overrides *out,
                                   struct config_ip_fault *fault_out)
{
    struct piece rest = trim_list((struct piece){text, size_bytes});
    bool is_last = rest.size_bytes == 0;

    out->count = 0;
    while (!is_last) {
        const char *comma = memchr(rest.text, ',', rest.size_bytes);
        struct piece entry = rest;
        const char *why;
        is_last = comma == NULL;
        if (!is_last) {
            entry.size_bytes = (size_t)(comma - rest.text);
            rest.text = comma + 1;
            rest.size_bytes -= entry.size_bytes + 1;
        }
        entry = trim(entry);
        static_assert(ADMISSION_OVERRIDES_MAX == 256, "the sentence below says so");
        if (out->count == ADMISSION_OVERRIDES_MAX)
            why = "There may be no more than 256 entries";
        else
            why = parse_entry(entry, &out->items[out->count]);
        if (why != NULL) {
            *fault_out = (struct config_ip_fault){
                .entry = entry.text,
                .entry_bytes = (int32_t)(entry.size_bytes < SHOWN_BYTES_MAX ? entry.size_bytes
                                                                            : SHOWN_BYTES_MAX),
                .why = why};
            return ERR_INVALID;
        }
        out->count++;
    }
    return OK;
}
