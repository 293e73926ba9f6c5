#include "broker/coordinator/group_terms.h"

#include "base/mem.h"
#include "broker/request.h"
#include "net/protocol/msg_join_group.h"

#include <stdio.h>
#include <string.h>

/* ---- bytes */

bool group_bytes_copy(const uint8_t *bytes, int32_t size_bytes, struct group_bytes *out)
{
    uint8_t *copy = NULL;

    if (size_bytes > 0) {
        copy = mem_try_alloc((size_t)size_bytes);
        if (copy == NULL)
            return false;
        memcpy(copy, bytes, (size_t)size_bytes);
    }
    *out = (struct group_bytes){copy, size_bytes > 0 ? size_bytes : 0};
    return true;
}

void group_bytes_move(struct group_bytes *value, struct group_bytes *field)
{
    mem_free(field->bytes);
    *field = *value;
    *value = (struct group_bytes){0};
}

/* ---- terms */

bool group_terms_begin_protocols(struct group_terms *terms, struct protocol_names *names,
                                 uint32_t count)
{
    terms->names = names;
    terms->protocols = mem_try_alloc(count * sizeof(*terms->protocols));
    protocol_names_begin_marks(names);
    return terms->protocols != NULL;
}

bool group_terms_add_protocol(struct group_terms *terms, const char *name, size_t name_bytes,
                              const uint8_t *metadata, int32_t metadata_bytes)
{
    struct group_protocol *own = &terms->protocols[terms->protocol_count++];

    own->name = protocol_names_hold(terms->names, name, name_bytes);
    if (own->name == NULL)
        return false;
    own->is_again = !protocol_names_mark(terms->names, own->name);
    return group_bytes_copy(metadata, metadata_bytes, &own->metadata);
}

static bool take_protocols(struct group_terms *terms, struct protocol_names *names,
                           const struct join_group_request *body)
{
    if (!group_terms_begin_protocols(terms, names, (uint32_t)body->protocols.count))
        return false;
    for (int32_t i = 0; i < body->protocols.count; i++) {
        const struct join_group_request_protocol *asked = &body->protocols.items[i];
        if (!group_terms_add_protocol(terms, asked->name.text, (size_t)asked->name.size_bytes,
                                      asked->metadata.bytes, asked->metadata.size_bytes))
            return false;
    }
    return true;
}

void group_terms_count(const struct group_terms *terms)
{
    for (uint32_t i = 0; i < terms->protocol_count; i++)
        terms->protocols[i].name->member_count += !terms->protocols[i].is_again;
}

void group_terms_uncount(const struct group_terms *terms)
{
    for (uint32_t i = 0; i < terms->protocol_count; i++)
        terms->protocols[i].name->member_count -= !terms->protocols[i].is_again;
}

bool group_terms_of(struct protocol_names *names, const struct request *request,
                    struct group_terms *out)
{
    const struct join_group_request *body = request->body;
    struct wire_string id = request->client_id;
    struct group_terms terms = {.session_timeout_ms = body->session_timeout_ms,
                                .rebalance_timeout_ms = body->rebalance_timeout_ms < 0
                                                            ? body->session_timeout_ms
                                                            : body->rebalance_timeout_ms};
    char host[IO_ADDRESS_TEXT_MAX];
    char text[IO_ADDRESS_TEXT_MAX + 1];

    io_address_format_host(&request->client->peer, host);
    snprintf(text, sizeof(text), "/%s", host);
    *out = (struct group_terms){0};
    terms.client_id = mem_try_strndup(id.text == NULL ? "" : id.text,
                                      id.text == NULL ? 0 : (size_t)id.size_bytes);
    terms.client_host = mem_try_strdup(text);
    if (terms.client_id == NULL || terms.client_host == NULL ||
        !take_protocols(&terms, names, body)) {
        group_terms_deinit(&terms);
        return false;
    }
    *out = terms;
    return true;
}

void group_terms_deinit(struct group_terms *terms)
{
    for (uint32_t i = 0; i < terms->protocol_count; i++) {
        protocol_names_release(terms->names, terms->protocols[i].name);
        mem_free(terms->protocols[i].metadata.bytes);
    }
    mem_free(terms->protocols);
    mem_free(terms->client_id);
    mem_free(terms->client_host);
    *terms = (struct group_terms){0};
}

bool group_terms_have_protocols_of(const struct group_terms *terms, const struct request *request)
{
    const struct join_group_request *body = request->body;

    if (terms->protocol_count != (uint32_t)body->protocols.count)
        return false;
    for (int32_t i = 0; i < body->protocols.count; i++) {
        const struct join_group_request_protocol *protocol = &body->protocols.items[i];
        const struct group_protocol *own = &terms->protocols[i];
        if (!wire_string_is(protocol->name, own->name->text) ||
            protocol->metadata.size_bytes != own->metadata.size_bytes ||
            (own->metadata.size_bytes > 0 && memcmp(protocol->metadata.bytes, own->metadata.bytes,
                                                    (size_t)own->metadata.size_bytes) != 0))
            return false;
    }
    return true;
}

struct group_bytes group_terms_metadata(const struct group_terms *terms, const char *protocol)
{
    for (uint32_t i = 0; protocol != NULL && i < terms->protocol_count; i++)
        if (strcmp(terms->protocols[i].name->text, protocol) == 0)
            return terms->protocols[i].metadata;
    return (struct group_bytes){0};
}

static uint64_t text_bytes(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

uint64_t group_terms_bytes(const struct group_terms *terms)
{
    uint64_t bytes = text_bytes(terms->client_id) + text_bytes(terms->client_host);

    for (uint32_t i = 0; i < terms->protocol_count; i++)
        bytes += sizeof(terms->protocols[i]) + sizeof(struct protocol_name) +
                 text_bytes(terms->protocols[i].name->text) +
                 (uint64_t)terms->protocols[i].metadata.size_bytes;
    return bytes;
}
