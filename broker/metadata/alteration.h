/* alteration: what a set of changes of one resource's configs comes to, as records.
 *
 * Lives for one resource of a request; the decision's.  A function that gives false has said why in
 * error_code and message, or set err; the records that it left behind are its caller's to drop
 * (decision.h, DEC-1).  The words are those of Kafka's ConfigurationControlManager,
 * ConfigAdminManager, GroupConfig and ClientMetricsConfigs. */
#ifndef LEVEE_BROKER_METADATA_ALTERATION_H
#define LEVEE_BROKER_METADATA_ALTERATION_H

#include "broker/metadata/decision.h"

struct alteration {
    struct decision *decision;
    int8_t type;
    const char *resource; /* NUL-terminated */
    int16_t error_code;
    struct wire_string message;
    enum err err;
};

typedef struct incremental_alter_configs_request_alterable_config alteration_change;

/* false */
bool alteration_refuse(struct alteration *alteration, int16_t error_code,
                       struct wire_string message);
/* false, with ERR_NOMEM */
bool alteration_fail(struct alteration *alteration);

/* Are all names that are set known?  Of groups and client metrics that is asked before any value is
 * looked at. */
bool alteration_check_names(struct alteration *alteration, const alteration_change *changes,
                            int32_t count);

/* One change: checked, and recorded where it changes anything. */
bool alteration_apply(struct alteration *alteration, const alteration_change *change);

/* The rules between the configs of one resource, when all changes are applied; mark: the count of
 * records before the first of them. */
bool alteration_check_whole(struct alteration *alteration, uint32_t mark);

#endif
