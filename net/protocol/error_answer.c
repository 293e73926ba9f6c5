#include "net/protocol/error_answer.h"

#include "net/protocol/kafka_tables.h"

#include <string.h>

/* What is being filled. */
struct filling {
    const struct api_desc *api;
    struct arena *arena;
    struct wire_string message;
    int16_t version;
    int16_t error_code;
};

/* ---- what the schema does not say: getErrorResponse of each request's class in
 * org.apache.kafka.common.requests */

/* Elements of an answer belong to those of the request's array of the same name, else to those of
 * its only array.  Elsewhere: */
struct pairing {
    int16_t api_key;
    const char *answered;
    const char *asked; /* NULL: its elements name nothing that was asked for */
    const char *outer; /* the array whose elements hold asked */
};

static const struct pairing pairings[] = {
    {API_FETCH, "responses", "topics"}, /* not forgotten_topics_data */
    {API_ALTER_REPLICA_LOG_DIRS, "results", "topics", "dirs"},
    {API_DESCRIBE_LOG_DIRS, "results", NULL},
    {API_LIST_PARTITION_REASSIGNMENTS, "topics", "topics"}, /* although there is no code in them */
    {API_LIST_PARTITION_REASSIGNMENTS, "partitions", "partition_indexes"},
};

/* Answers whose elements have the code as well as the top, from older versions of which the top had
 * none; up to that version. */
static const struct {
    int16_t api_key;
    int16_t version_max;
} both[] = {
    {API_FETCH, 12},
    {API_METADATA, INT16_MAX},
    {API_ELECT_LEADERS, INT16_MAX},
    {API_ALTER_PARTITION_REASSIGNMENTS, INT16_MAX},
    {API_LIST_PARTITION_REASSIGNMENTS, INT16_MAX},
};

/* Values beside the code that are not the schema's defaults; NULL_VALUE: null, where there is one.
 */
#define NULL_VALUE INT64_MIN
static const struct {
    int16_t api_key;
    const char *name;
    int64_t value;
} values[] = {
    {API_PRODUCE, "base_offset", -1},  /* ProduceResponse.INVALID_OFFSET */
    {API_FETCH, "high_watermark", -1}, /* FetchResponse.INVALID_HIGH_WATERMARK */
    {API_OFFSET_FETCH, "committed_offset", -1},
    {API_FIND_COORDINATOR, "node_id", -1}, /* Node.noNode */
    {API_FIND_COORDINATOR, "port", -1},
    {API_JOIN_GROUP, "protocol_name", NULL_VALUE},
    {API_DELETE_RECORDS, "low_watermark", -1},
    {API_INIT_PRODUCER_ID, "producer_epoch", -1},            /* RecordBatch.NO_PRODUCER_EPOCH */
    {API_CREATE_DELEGATION_TOKEN, "issue_timestamp_ms", -1}, /* KafkaApis */
    {API_CREATE_DELEGATION_TOKEN, "expiry_timestamp_ms", -1},
    {API_CREATE_DELEGATION_TOKEN, "max_timestamp_ms", -1},
    {API_RENEW_DELEGATION_TOKEN, "expiry_timestamp_ms", -1},
    {API_EXPIRE_DELEGATION_TOKEN, "expiry_timestamp_ms", -1},
    {API_DESCRIBE_CLIENT_QUOTAS, "entries", NULL_VALUE},
};

/* Fields that say which thing an element is about.  Others of the same name in request and answer
 * are what was wished for and what there is. */
static const char *const naming[] = {
    "name",          "topic",           "topic_id",     "topic_name",       "index",
    "partition",     "partition_index", "partition_id", "group_id",         "key",
    "resource_type", "resource_name",   "producer_id",  "transactional_id",
};

static bool is_naming(const struct field_desc *field)
{
    for (size_t i = 0; i < array_count(naming); i++)
        if (strcmp(field->name, naming[i]) == 0)
            return (field->flags & FIELD_ARRAY) == 0;
    return false;
}

static const struct pairing *find_pairing(const struct filling *filling, const char *answered)
{
    for (size_t i = 0; i < array_count(pairings); i++)
        if (pairings[i].api_key == filling->api->key && strcmp(pairings[i].answered, answered) == 0)
            return &pairings[i];
    return NULL;
}

static bool has_both(const struct filling *filling)
{
    for (size_t i = 0; i < array_count(both); i++)
        if (both[i].api_key == filling->api->key)
            return filling->version <= both[i].version_max;
    return false;
}

/* ---- fields */

static const struct field_desc *find_field(const struct struct_desc *desc, const char *name,
                                           int16_t version)
{
    for (unsigned i = 0; i < desc->field_count; i++)
        if (strcmp(desc->fields[i].name, name) == 0 &&
            version_in(version, &desc->fields[i].present))
            return &desc->fields[i];
    return NULL;
}

/* AddPartitionsToTxn calls it otherwise. */
static bool is_code(const struct field_desc *field)
{
    return field->type == FIELD_INT16 && (field->flags & FIELD_ARRAY) == 0 &&
           (strcmp(field->name, "error_code") == 0 ||
            strcmp(field->name, "partition_error_code") == 0);
}

/* Is there a code in the elements of this field, however deep? */
static bool has_code_inside(const struct field_desc *field, int16_t version)
{
    const struct struct_desc *desc = field->element;

    if (field->type != FIELD_STRUCT || (field->flags & FIELD_ARRAY) == 0)
        return false;
    for (unsigned i = 0; i < desc->field_count; i++)
        if (version_in(version, &desc->fields[i].present) &&
            (is_code(&desc->fields[i]) || has_code_inside(&desc->fields[i], version)))
            return true;
    return false;
}

static void set_number(const struct field_desc *field, void *at, int64_t value)
{
    switch ((enum field_type)field->type) {
    case FIELD_INT16:
        *(int16_t *)at = (int16_t)value;
        break;
    case FIELD_INT32:
        *(int32_t *)at = (int32_t)value;
        break;
    case FIELD_INT64:
        *(int64_t *)at = value;
        break;
    default:
        check(false); /* a number */
    }
}

static void set_null(const struct field_desc *field, void *at, int16_t version)
{
    if (!version_in(version, &field->nullable))
        return;
    if (field->flags & FIELD_ARRAY)
        *(struct wire_array *)at = (struct wire_array){NULL, -1};
    else
        *(struct wire_string *)at = wire_string(NULL);
}

static size_t size_of(const struct field_desc *field)
{
    switch ((enum field_type)field->type) {
    case FIELD_INT8:
        return sizeof(int8_t);
    case FIELD_INT16:
        return sizeof(int16_t);
    case FIELD_INT32:
        return sizeof(int32_t);
    case FIELD_INT64:
        return sizeof(int64_t);
    case FIELD_UUID:
        return sizeof(struct uuid);
    case FIELD_STRING:
        return sizeof(struct wire_string);
    default:
        check(false); /* what names a thing */
    }
}

/* Metadata's answer has no null for what has no name (MetadataRequest.getErrorResponse). */
static void set_text(const struct filling *filling, const struct field_desc *field,
                     struct wire_string *at, struct wire_string text)
{
    bool may_be_null =
        version_in(filling->version, &field->nullable) && (filling->api->key != API_METADATA);

    *at = text.text == NULL && !may_be_null ? wire_string("") : text;
}

static void copy_value(const struct filling *filling, const struct field_desc *to, void *out,
                       const void *from)
{
    if (to->type == FIELD_STRING)
        set_text(filling, to, out, *(const struct wire_string *)from);
    else
        memcpy(out, from, size_of(to));
}

/* ---- filling */

/* The values beside the code in one struct of the answer. */
static void fill_values(const struct filling *filling, const struct struct_desc *desc, void *out)
{
    for (size_t i = 0; i < array_count(values); i++) {
        const struct field_desc *field = values[i].api_key != filling->api->key
                                             ? NULL
                                             : find_field(desc, values[i].name, filling->version);
        void *at;

        if (field == NULL)
            continue;
        at = (uint8_t *)out + field->offset;
        if (values[i].value == NULL_VALUE)
            set_null(field, at, filling->version);
        else
            set_number(field, at, values[i].value);
    }
}

/* False: this struct has no place for a code in this version. */
static bool fill_code(const struct filling *filling, const struct struct_desc *desc, void *out)
{
    bool is_filled = false;

    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        void *at = (uint8_t *)out + field->offset;

        if (!version_in(filling->version, &field->present))
            continue;
        if (is_code(field)) {
            *(int16_t *)at = filling->error_code;
            is_filled = true;
        } else if (field->type == FIELD_STRING && strcmp(field->name, "error_message") == 0) {
            set_text(filling, field, at, filling->message);
        }
    }
    fill_values(filling, desc, out);
    return is_filled;
}

/* What is copied from an element of the request, so that the answer's says which thing it is about.
 */
struct copying {
    uint32_t count;
    struct {
        const struct field_desc *to;
        uint32_t from_offset;
    } steps[array_count(naming)];
};

static void add_copy(struct copying *copying, const struct field_desc *to, uint32_t from_offset)
{
    copying->steps[copying->count].to = to;
    copying->steps[copying->count++].from_offset = from_offset;
}

/* array is the request's, whose elements are structs, or names by themselves. */
static void plan_copies(const struct filling *filling, const struct field_desc *array,
                        const struct struct_desc *desc, struct copying *out)
{
    out->count = 0;
    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        const struct field_desc *same;

        if (!is_naming(field) || !version_in(filling->version, &field->present))
            continue;
        if (array->type != FIELD_STRUCT) {
            if (field->type == array->type)
                add_copy(out, field, 0);
            continue;
        }
        same = find_field(array->element, field->name, filling->version);
        if (same == NULL && strcmp(field->name, "topic_name") == 0)
            same = find_field(array->element, "name", filling->version);
        if (same != NULL && same->type == field->type)
            add_copy(out, field, same->offset);
    }
}

/* The elements of the request that are asked for, and where they lie: in one struct, or in each
 * element of an outer array. */
struct asked {
    const struct struct_desc *desc; /* of a holder */
    const struct field_desc *array; /* of it */
    const uint8_t *holders;
    int32_t holder_count;
};

static const struct field_desc *only_array(const struct struct_desc *desc, int16_t version)
{
    const struct field_desc *found = NULL;

    for (unsigned i = 0; i < desc->field_count; i++) {
        if ((desc->fields[i].flags & FIELD_ARRAY) == 0 ||
            !version_in(version, &desc->fields[i].present))
            continue;
        if (found != NULL)
            return NULL;
        found = &desc->fields[i];
    }
    return found;
}

/* False: nothing was asked for that the elements of answered are about. */
static bool find_asked(const struct filling *filling, const struct field_desc *answered,
                       const struct struct_desc *desc, const void *request, struct asked *out)
{
    const struct pairing *pairing = find_pairing(filling, answered->name);

    *out = (struct asked){.desc = desc, .holders = request, .holder_count = 1};
    if (pairing != NULL && pairing->asked == NULL)
        return false;
    if (pairing != NULL && pairing->outer != NULL) {
        const struct field_desc *outer = find_field(desc, pairing->outer, filling->version);
        const struct wire_array *holders;
        check(outer != NULL);
        holders = (const void *)((const uint8_t *)request + outer->offset);
        out->desc = outer->element;
        out->holders = holders->items;
        out->holder_count = holders->count;
    }
    out->array =
        find_field(out->desc, pairing == NULL ? answered->name : pairing->asked, filling->version);
    if (out->array == NULL || (out->array->flags & FIELD_ARRAY) == 0)
        out->array = only_array(out->desc, filling->version);
    return out->array != NULL;
}

static const struct wire_array *array_in(const struct asked *asked, int32_t holder)
{
    return (const void *)(asked->holders + (size_t)holder * asked->desc->size_bytes +
                          asked->array->offset);
}

static enum err fill_arrays(const struct filling *filling, const struct struct_desc *asked_desc,
                            const void *asked, const struct struct_desc *desc, void *out);

static int64_t count_asked(const struct asked *asked)
{
    int64_t count = 0;

    for (int32_t h = 0; h < asked->holder_count; h++)
        count += array_in(asked, h)->count > 0 ? array_in(asked, h)->count : 0;
    return count;
}

/* The elements differ in what they are about, and in what is inside of them. */
static enum err fill_array(const struct filling *filling, const struct asked *asked,
                           const struct struct_desc *desc, struct wire_array *out)
{
    const struct field_desc *array = asked->array;
    size_t asked_bytes = array->type == FIELD_STRUCT ? array->element->size_bytes : size_of(array);
    int64_t count = count_asked(asked);
    struct copying copying;
    bool is_whole;
    uint8_t *to;

    out->items = count > INT32_MAX ? NULL : codec_new_array(desc, filling->arena, (size_t)count);
    if (out->items == NULL)
        return ERR_NOMEM;
    out->count = (int32_t)count;
    if (count == 0)
        return OK;
    to = out->items;
    is_whole = fill_code(filling, desc, to) || array->type != FIELD_STRUCT;
    for (int32_t i = 1; i < out->count; i++)
        memcpy(to + (size_t)i * desc->size_bytes, to, desc->size_bytes);
    plan_copies(filling, array, desc, &copying);
    for (int32_t h = 0; h < asked->holder_count; h++) {
        const struct wire_array *from = array_in(asked, h);
        const uint8_t *at = from->items;
        for (int32_t i = 0; i < from->count; i++, at += asked_bytes, to += desc->size_bytes) {
            for (uint32_t c = 0; c < copying.count; c++)
                copy_value(filling, copying.steps[c].to, to + copying.steps[c].to->offset,
                           at + copying.steps[c].from_offset);
            if (!is_whole && fill_arrays(filling, array->element, at, desc, to) != OK)
                return ERR_NOMEM;
        }
    }
    return OK;
}

/* The arrays of one struct whose elements have codes. */
static enum err fill_arrays(const struct filling *filling, const struct struct_desc *asked_desc,
                            const void *asked, const struct struct_desc *desc, void *out)
{
    enum err err = OK;

    for (unsigned i = 0; i < desc->field_count && err == OK; i++) {
        const struct field_desc *field = &desc->fields[i];
        struct asked found;

        if (!version_in(filling->version, &field->present) ||
            (!has_code_inside(field, filling->version) &&
             find_pairing(filling, field->name) == NULL))
            continue;
        if (find_asked(filling, field, asked_desc, asked, &found))
            err = fill_array(filling, &found, field->element,
                             (struct wire_array *)(void *)((uint8_t *)out + field->offset));
    }
    return err;
}

/* FetchRequest.getErrorResponse tells the session as it was asked for. */
static void echo_session(const struct filling *filling, const void *request, void *response)
{
    const struct field_desc *from =
        find_field(filling->api->request->body, "session_id", filling->version);
    const struct field_desc *to =
        find_field(filling->api->response->body, "session_id", filling->version);

    if (from != NULL && to != NULL)
        copy_value(filling, to, (uint8_t *)response + to->offset,
                   (const uint8_t *)request + from->offset);
}

enum err error_answer_fill(const struct api_desc *api, int16_t version, const void *request,
                           int16_t error_code, struct wire_string message, struct arena *arena,
                           void *response)
{
    const struct filling filling = {.api = api,
                                    .arena = arena,
                                    .message = message,
                                    .version = version,
                                    .error_code = error_code};
    bool is_filled = fill_code(&filling, api->response->body, response);

    if (api->key == API_FETCH)
        echo_session(&filling, request, response);
    if (is_filled && !has_both(&filling))
        return OK;
    return fill_arrays(&filling, api->request->body, request, api->response->body, response);
}
