/* Records of the image that nothing here acts on: kept as the bytes that they were, in the order of
 * the log, and written again into each snapshot (docs/decisions/0011).
 *
 * Of the types that we can read, the newest record of a key stands for all, and one that removes
 * takes it away, as in Kafka's images:
 *   access control entries by id, quotas by entity and key, SCRAM credentials by user and
 *   mechanism, delegation tokens by token id
 * A type that we do not know, or a newer version of one of these, may mean anything: it is kept as
 * it came, and so is everything of its family behind it. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/image_private.h"
#include "net/protocol/msg_access_control_entry_record.h"
#include "net/protocol/msg_client_quota_record.h"
#include "net/protocol/msg_delegation_token_record.h"
#include "net/protocol/msg_remove_access_control_entry_record.h"
#include "net/protocol/msg_remove_delegation_token_record.h"
#include "net/protocol/msg_remove_user_scram_credential_record.h"
#include "net/protocol/msg_user_scram_credential_record.h"

#include <stdio.h>
#include <string.h>

enum { QUOTA_ENTITIES_MAX = 16, TYPES_TOLD_MAX = 16 };

/* Of one record, with all that it points at. */
#define BODY_MAX_BYTES ((size_t)256 << 20)

enum opaque_family { OPAQUE_TOKENS, OPAQUE_CREDENTIALS, OPAQUE_QUOTAS, OPAQUE_ENTRIES };

struct opaque_record {
    struct list node; /* of image_opaque.records */
    int16_t type;
    int16_t version;
    uint8_t *key; /* NULL: it has none */
    size_t key_bytes;
    size_t size_bytes;
    uint8_t bytes[]; /* the value */
};

/* What a record says of those before it. */
struct opaque_meaning {
    bool has_key;
    bool is_removal;
    enum opaque_family family;
    struct wire_bytes key; /* family, then what is one thing; in the arena */
};

void image_init_opaque(struct image *image)
{
    list_init(&image->opaque.records);
    hash_map_init(&image->opaque.by_key, 4);
}

static void drop_record(struct image *image, struct opaque_record *kept)
{
    if (kept->key != NULL)
        hash_map_remove(&image->opaque.by_key, kept->key, kept->key_bytes);
    list_remove(&kept->node);
    image->opaque.count--;
    mem_free(kept->key);
    mem_free(kept);
}

void image_free_opaque(struct image *image)
{
    while (!list_is_empty(&image->opaque.records))
        drop_record(image, container_of(image->opaque.records.next, struct opaque_record, node));
    hash_map_deinit(&image->opaque.by_key);
}

/* ---- what it means */

static int compare_texts(struct wire_string a, struct wire_string b)
{
    int32_t shared = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    int order = shared > 0 ? memcmp(a.text, b.text, (size_t)shared) : 0;

    return order != 0 ? order : (a.size_bytes > b.size_bytes) - (a.size_bytes < b.size_bytes);
}

static void put_text(struct wire_writer *writer, struct wire_string text)
{
    wire_write_int32(writer, text.text == NULL ? -1 : text.size_bytes);
    if (text.text != NULL)
        wire_write_raw(writer, text.text, (size_t)text.size_bytes);
}

/* An entity is a set of parts: they may come in any order.  false: of more than we sort. */
static bool put_quota(struct wire_writer *writer, const struct client_quota_record *quota)
{
    const struct client_quota_record_entity_data *parts[QUOTA_ENTITIES_MAX];
    int32_t count = quota->entity.count;

    if (count > QUOTA_ENTITIES_MAX)
        return false;
    for (int32_t i = 0; i < count; i++) {
        int32_t place = i;
        for (; place > 0 &&
               compare_texts(parts[place - 1]->entity_type, quota->entity.items[i].entity_type) > 0;
             place--)
            parts[place] = parts[place - 1];
        parts[place] = &quota->entity.items[i];
    }
    for (int32_t i = 0; i < count; i++) {
        put_text(writer, parts[i]->entity_type);
        put_text(writer, parts[i]->entity_name);
    }
    put_text(writer, quota->key);
    return true;
}

/* The key of a body that was read, and whether it removes. */
static bool put_key(struct wire_writer *writer, int16_t type, const void *body, bool *is_removal)
{
    switch (type) {
    case METADATA_DELEGATION_TOKEN:
        put_text(writer, ((const struct delegation_token_record *)body)->token_id);
        return true;
    case METADATA_REMOVE_DELEGATION_TOKEN:
        *is_removal = true;
        put_text(writer, ((const struct remove_delegation_token_record *)body)->token_id);
        return true;
    case METADATA_USER_SCRAM_CREDENTIAL: {
        const struct user_scram_credential_record *user = body;
        wire_write_int8(writer, user->mechanism);
        put_text(writer, user->name);
        return true;
    }
    case METADATA_REMOVE_USER_SCRAM_CREDENTIAL: {
        const struct remove_user_scram_credential_record *user = body;
        *is_removal = true;
        wire_write_int8(writer, user->mechanism);
        put_text(writer, user->name);
        return true;
    }
    case METADATA_CLIENT_QUOTA:
        *is_removal = ((const struct client_quota_record *)body)->remove;
        return put_quota(writer, body);
    case METADATA_ACCESS_CONTROL_ENTRY:
        wire_write_raw(writer, &((const struct access_control_entry_record *)body)->id,
                       sizeof(struct uuid));
        return true;
    default:
        check(type == METADATA_REMOVE_ACCESS_CONTROL_ENTRY);
        *is_removal = true;
        wire_write_raw(writer, &((const struct remove_access_control_entry_record *)body)->id,
                       sizeof(struct uuid));
        return true;
    }
}

/* false: a type of no family, about which nothing is known. */
static bool family_of(int16_t type, enum opaque_family *out)
{
    switch (type) {
    case METADATA_DELEGATION_TOKEN:
    case METADATA_REMOVE_DELEGATION_TOKEN:
        *out = OPAQUE_TOKENS;
        return true;
    case METADATA_USER_SCRAM_CREDENTIAL:
    case METADATA_REMOVE_USER_SCRAM_CREDENTIAL:
        *out = OPAQUE_CREDENTIALS;
        return true;
    case METADATA_CLIENT_QUOTA:
        *out = OPAQUE_QUOTAS;
        return true;
    case METADATA_ACCESS_CONTROL_ENTRY:
    case METADATA_REMOVE_ACCESS_CONTROL_ENTRY:
        *out = OPAQUE_ENTRIES;
        return true;
    default:
        return false;
    }
}

/* ERR_MALFORMED: bytes that are not what their type and version say.  ERR_NOMEM. */
static enum err read_meaning(struct image *image, const struct metadata_record *record,
                             struct arena *arena, struct opaque_meaning *out)
{
    const struct record_desc *desc = record_find(RECORD_METADATA, (int16_t)record->type);
    struct wire_writer writer;
    struct wire_reader reader;
    int16_t type;
    int16_t version;
    void *body;
    enum err err;

    *out = (struct opaque_meaning){0};
    if (!family_of((int16_t)record->type, &out->family))
        return OK;
    if (!codec_has_version(desc->value, record->version) || image->opaque.is_unread[out->family]) {
        image->opaque.is_unread[out->family] = true;
        return OK;
    }
    body = arena_alloc(arena, desc->value->body->size_bytes);
    if (body == NULL)
        return ERR_NOMEM;
    wire_reader_init(&reader, record->opaque, record->opaque_bytes);
    err = record_read_metadata_prefix(&reader, &type, &version);
    if (err == OK)
        err = codec_decode(desc->value, version, &reader, arena, body);
    if (err != OK)
        return err == ERR_NOMEM ? err : ERR_MALFORMED;
    if (wire_reader_left(&reader) > 0)
        return ERR_MALFORMED;
    wire_writer_init(&writer, arena);
    wire_write_uint8(&writer, (uint8_t)out->family);
    out->has_key = put_key(&writer, type, body, &out->is_removal);
    image->opaque.is_unread[out->family] = !out->has_key;
    return out->has_key ? wire_writer_flatten(&writer, &out->key) : OK;
}

/* ---- keeping */

/* NULL: no memory. */
static struct opaque_record *copy_record(const struct metadata_record *record,
                                         const struct opaque_meaning *meaning)
{
    struct opaque_record *kept = mem_try_alloc(sizeof(*kept) + record->opaque_bytes);

    if (kept == NULL)
        return NULL;
    kept->type = (int16_t)record->type;
    kept->version = record->version;
    kept->size_bytes = record->opaque_bytes;
    memcpy(kept->bytes, record->opaque, record->opaque_bytes);
    if (!meaning->has_key)
        return kept;
    kept->key_bytes = (size_t)meaning->key.size_bytes;
    kept->key = mem_try_alloc(kept->key_bytes);
    if (kept->key == NULL) {
        mem_free(kept);
        return NULL;
    }
    memcpy(kept->key, meaning->key.bytes, kept->key_bytes);
    return kept;
}

/* Behind all others; the one that it replaces is gone already, so that only the first of a key
 * needs memory in the map. */
static enum err keep(struct image *image, const struct metadata_record *record,
                     const struct opaque_meaning *meaning)
{
    struct opaque_record *kept = copy_record(record, meaning);
    struct opaque_record *before = NULL;
    enum err err = OK;

    if (kept == NULL)
        return ERR_NOMEM;
    if (kept->key != NULL)
        before = hash_map_find(&image->opaque.by_key, kept->key, kept->key_bytes);
    if (before != NULL)
        drop_record(image, before);
    if (kept->key != NULL)
        err = hash_map_insert(&image->opaque.by_key, kept->key, kept->key_bytes, kept);
    if (err != OK) {
        mem_free(kept->key);
        mem_free(kept);
        return err;
    }
    list_push_back(&image->opaque.records, &kept->node);
    image->opaque.count++;
    return OK;
}

enum err image_apply_opaque(struct image *image, const struct metadata_record *record)
{
    struct opaque_meaning meaning;
    struct opaque_record *kept;
    struct arena arena;
    enum err err;

    arena_init(&arena, BODY_MAX_BYTES);
    err = read_meaning(image, record, &arena, &meaning);
    if (err == OK && meaning.has_key && meaning.is_removal) {
        kept =
            hash_map_find(&image->opaque.by_key, meaning.key.bytes, (size_t)meaning.key.size_bytes);
        if (kept != NULL)
            drop_record(image, kept);
    } else if (err == OK) {
        err = keep(image, record, &meaning);
    }
    arena_deinit(&arena);
    return err;
}

enum err image_each_opaque(const struct image *image,
                           enum err (*visit)(void *context, const struct metadata_record *record),
                           void *context)
{
    enum err err = OK;

    list_for_each(node, &image->opaque.records)
    {
        const struct opaque_record *kept = container_of(node, struct opaque_record, node);
        struct metadata_record record = {.type = (enum metadata_type)kept->type,
                                         .version = kept->version,
                                         .opaque = kept->bytes,
                                         .opaque_bytes = kept->size_bytes};
        err = visit(context, &record);
        if (err != OK)
            return err;
    }
    return err;
}

/* ---- telling */

uint32_t image_opaque_count(const struct image *image)
{
    return image->opaque.count;
}

void image_opaque_types(const struct image *image, char *out, size_t out_max_bytes)
{
    int16_t types[TYPES_TOLD_MAX];
    uint32_t count = 0;
    size_t used = 0;

    out[0] = '\0';
    list_for_each(node, &image->opaque.records)
    {
        const struct opaque_record *kept = container_of(node, struct opaque_record, node);
        const struct record_desc *desc = record_find(RECORD_METADATA, kept->type);
        uint32_t place = 0;
        int size;
        while (place < count && types[place] != kept->type)
            place++;
        if (place < count || count == TYPES_TOLD_MAX)
            continue;
        types[count++] = kept->type;
        size = desc == NULL ? snprintf(out + used, out_max_bytes - used, "%stype %d",
                                       used > 0 ? ", " : "", kept->type)
                            : snprintf(out + used, out_max_bytes - used, "%s%s",
                                       used > 0 ? ", " : "", desc->value->name);
        if (size < 0 || (size_t)size >= out_max_bytes - used)
            return; /* cut there */
        used += (size_t)size;
    }
}
