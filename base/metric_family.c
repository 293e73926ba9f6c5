#include "base/metric_family.h"

#include "base/check.h"

static const struct metric_family families[FAMILY_COUNT] = {
#define METRIC_FAMILY(id, type_name, name_text, unit_value, help_text) \
    [FAMILY_##id] = {.name = (name_text),                              \
                     .help = (help_text),                              \
                     .type = METRIC_##type_name,                       \
                     .unit = (unit_value)},
#include "base/metric_list.h"
#undef METRIC_FAMILY
};

const struct metric_family *metric_family(enum metric_id id)
{
    check((unsigned)id < FAMILY_COUNT);
    return &families[id];
}
