/* metric_family: the metrics that there are, by id.  Constant; base/metric_list.h has them all. */
#ifndef LEVEE_BASE_METRIC_FAMILY_H
#define LEVEE_BASE_METRIC_FAMILY_H

#include "base/metrics.h"

enum metric_id {
#define METRIC_FAMILY(id, type, name, unit, help) FAMILY_##id,
#include "base/metric_list.h"
#undef METRIC_FAMILY
    FAMILY_COUNT
};

const struct metric_family *metric_family(enum metric_id id);

#endif
