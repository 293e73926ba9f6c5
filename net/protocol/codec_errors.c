#include "net/protocol/codec_errors.h"

#include "base/mem.h"
#include "net/protocol/field_type.h"

#include <string.h>

/* A field that is an error code, or a struct (or an array of them) with some inside. */
struct step {
    const struct field_desc *field;
    struct codec_errors *inside; /* NULL: the field is a code */
};

/* The steps of one struct. */
struct codec_errors {
    uint32_t step_count;
    struct step steps[];
};

static enum err create(const struct struct_desc *desc, struct codec_errors **out);

static bool is_code(const struct field_desc *field)
{
    return field->type == FIELD_INT16 && !(field->flags & FIELD_ARRAY) &&
           strcmp(field->name, "error_code") == 0;
}

static enum err add_step(struct codec_errors *plan, const struct field_desc *field)
{
    struct codec_errors *inside = NULL;
    enum err err;

    if (field->type == FIELD_STRUCT) {
        err = create(field->element, &inside);
        if (err != OK)
            return err;
        if (inside->step_count == 0) {
            codec_errors_destroy(inside);
            return OK;
        }
    } else if (!is_code(field)) {
        return OK;
    }
    plan->steps[plan->step_count++] = (struct step){field, inside};
    return OK;
}

static enum err create(const struct struct_desc *desc, struct codec_errors **out)
{
    struct codec_errors *plan =
        mem_try_alloc(sizeof(*plan) + desc->field_count * sizeof(plan->steps[0]));
    enum err err = plan == NULL ? ERR_NOMEM : OK;

    for (unsigned i = 0; i < desc->field_count && err == OK; i++)
        err = add_step(plan, &desc->fields[i]);
    if (err != OK) {
        codec_errors_destroy(plan);
        return err;
    }
    *out = plan;
    return OK;
}

enum err codec_errors_create(const struct message_desc *desc, struct codec_errors **out)
{
    return create(desc->body, out);
}

void codec_errors_destroy(struct codec_errors *plan)
{
    if (plan == NULL)
        return;
    for (uint32_t i = 0; i < plan->step_count; i++)
        codec_errors_destroy(plan->steps[i].inside);
    mem_free(plan);
}

static void walk_items(const struct step *step, int16_t version, const struct wire_array *array,
                       void (*visit)(void *context, int16_t error_code), void *context)
{
    const uint8_t *item = array->items;

    for (int32_t i = 0; i < array->count; i++, item += step->field->element->size_bytes)
        codec_errors_each(step->inside, version, item, visit, context);
}

void codec_errors_each(const struct codec_errors *plan, int16_t version, const void *message,
                       void (*visit)(void *context, int16_t error_code), void *context)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        const struct field_desc *field = step->field;
        const void *at = (const uint8_t *)message + field->offset;

        if (!version_in(version, &field->present))
            continue;
        if (step->inside == NULL)
            visit(context, *(const int16_t *)at);
        else if (field->flags & FIELD_ARRAY)
            walk_items(step, version, at, visit, context);
        else if (!(field->flags & FIELD_POINTER))
            codec_errors_each(step->inside, version, at, visit, context);
        else if (*(const void *const *)at != NULL)
            codec_errors_each(step->inside, version, *(const void *const *)at, visit, context);
    }
}
