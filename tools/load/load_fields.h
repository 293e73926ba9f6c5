/* load_fields: the members of the structs of a result by name, so that one walk writes them and
 * another reads them back.
 *
 * Constant tables; stateless.
 *   LFL-1  each member of load_result, load_sample, load_latency, load_broker_use, load_limits,
 *          load_verdict and load_finding that a reader needs stands in its table */
#ifndef LEVEE_TOOLS_LOAD_LOAD_FIELDS_H
#define LEVEE_TOOLS_LOAD_LOAD_FIELDS_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

enum load_field_kind {
    LOAD_FIELD_U64,
    LOAD_FIELD_I64,
    LOAD_FIELD_U32,
    LOAD_FIELD_I32,
    LOAD_FIELD_DOUBLE,
    LOAD_FIELD_BOOL,
    LOAD_FIELD_TEXT, /* an array of char */
};

struct load_field {
    const char *name; /* NULL: the end */
    enum load_field_kind kind;
    size_t offset;
    size_t size_bytes; /* of LOAD_FIELD_TEXT */
};

extern const struct load_field load_fields_result[], load_fields_sample[], load_fields_latency[],
    load_fields_broker[], load_fields_limits[], load_fields_verdict[], load_fields_finding[];

/* One member as JSON: a number that is none is null; text that is no UTF-8 has U+FFFD.  NULL: no
 * memory. */
json_t *load_fields_value(const struct load_field *field, const void *object);

/* Back.  ERR_MALFORMED: of another kind, or too large; null and NULL leave it as it is. */
must_use enum err load_fields_set(const struct load_field *field, void *object,
                                  const json_t *value);

/* All members of a table into, or out of, a JSON object.  ERR_NOMEM; ERR_MALFORMED. */
must_use enum err load_fields_put(const struct load_field *fields, const void *object,
                                  json_t *into);
must_use enum err load_fields_get(const struct load_field *fields, void *object,
                                  const json_t *from);

/* A JSON string of any bytes.  NULL: no memory. */
json_t *load_fields_text(const char *text);

/* Set name of into to value, which it takes, NULL too.  ERR_NOMEM: value was NULL. */
must_use enum err load_fields_add(json_t *into, const char *name, json_t *value);

#endif
