/* Decisions about features: UpdateFeatures (KIP-584, 778, 1022).  All or none, in the words of
 * Kafka's FeatureControlManager. */
#include "base/hash_map.h"
#include "broker/cordon.h"
#include "broker/metadata/decision.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_feature_level_record.h"

#include <string.h>

typedef struct update_features_request_feature_update_key asked_update;

enum { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 }; /* FeatureUpdate.UpgradeType */

struct updating {
    struct decision *decision;
    const asked_update *asked;
    const char *name;
    int16_t old_level;
    struct wire_string problem;
};

static bool refuse(struct updating *updating, struct wire_string why)
{
    updating->problem =
        decision_text(updating->decision, "Invalid update version %d for feature %s. %.*s",
                      updating->asked->max_version_level, updating->name, why.size_bytes,
                      why.text == NULL ? "" : why.text);
    return false;
}

static bool is_supported(struct updating *updating)
{
    const struct feature *feature = feature_find(updating->name);
    struct decision *decision = updating->decision;
    int16_t level = updating->asked->max_version_level;

    if (feature == NULL && level == 0 && updating->old_level != 0)
        return true; /* of Kafka's, left in its directory: it may be taken away */
    if (feature == NULL && level == 0)
        return refuse(updating, decision_text(decision, "Feature %s not found.", updating->name));
    if (feature == NULL)
        return refuse(updating,
                      decision_text(decision, "Local controller %d does not support this feature.",
                                    decision->node_id));
    if (level >= feature->min_level && level <= feature->max_level)
        return true;
    return refuse(updating,
                  decision_text(decision, "Local controller %d only supports versions %d-%d",
                                decision->node_id, feature->min_level, feature->max_level));
}

static bool may_lower(struct updating *updating)
{
    int16_t level = updating->asked->max_version_level;

    if (strcmp(updating->name, features_metadata_version) != 0 ||
        !features_differ(updating->old_level, level))
        return true;
    updating->problem = decision_text(
        updating->decision, "Unsupported metadata.version downgrade from %d to %d. %s",
        updating->old_level, level,
        updating->asked->upgrade_type == UNSAFE_DOWNGRADE
            ? "Unsafe metadata downgrade is not supported in this version."
            : "Refusing to perform the requested downgrade because it might delete metadata "
              "information.");
    return false;
}

static bool check_update(struct updating *updating)
{
    int8_t type = updating->asked->upgrade_type;
    int16_t level = updating->asked->max_version_level;

    if (type < UPGRADE || type > UNSAFE_DOWNGRADE)
        return refuse(updating,
                      wire_string("The controller does not support the given upgrade type."));
    if (level < 0)
        return refuse(updating, wire_string("A feature version cannot be less than 0."));
    if (!is_supported(updating))
        return false;
    if (level < updating->old_level && type == UPGRADE)
        return refuse(updating,
                      wire_string("Can't downgrade the version of this feature without setting the "
                                  "upgrade type to either safe or unsafe downgrade."));
    if (level > updating->old_level && type != UPGRADE)
        return refuse(updating, wire_string("Can't downgrade to a newer version."));
    return level >= updating->old_level || may_lower(updating);
}

/* What our registration could not say at the old level. */
static enum err add_directories(struct decision *decision, int16_t old_level, int16_t level)
{
    enum metadata_type type = METADATA_BROKER_REGISTRATION_CHANGE;
    struct broker_registration_change_record *change;
    struct uuid *dir = arena_alloc(decision->records->arena, sizeof(*dir));

    if (dir == NULL)
        return ERR_NOMEM;
    if ((old_level >= FEATURES_DIRECTORIES || level < FEATURES_DIRECTORIES) &&
        (old_level >= FEATURES_CORDONED || level < FEATURES_CORDONED))
        return OK;
    change = metadata_records_add(decision->records, type, features_record_version(type, level));
    if (change == NULL)
        return ERR_NOMEM;
    *dir = decision->directory_id;
    change->broker_id = decision->node_id;
    change->broker_epoch = decision->broker_epoch;
    change->log_dirs.items = dir;
    change->log_dirs.count = 1;
    if (level < FEATURES_CORDONED)
        return OK;
    change->cordoned_log_dirs.items = dir;
    change->cordoned_log_dirs.count =
        cordon_covers(decision->config,
                      config_string(decision->config, decision->image, CONFIG_CORDONED_LOG_DIRS));
    return OK;
}

static enum err add_level(const struct updating *updating)
{
    struct feature_level_record *record;
    int16_t level = updating->asked->max_version_level;

    if (level == updating->old_level)
        return OK;
    record = metadata_records_add(updating->decision->records, METADATA_FEATURE_LEVEL, 0);
    if (record == NULL)
        return ERR_NOMEM;
    record->name = wire_string(updating->name);
    record->feature_level = level;
    return strcmp(updating->name, features_metadata_version) == 0
               ? add_directories(updating->decision, updating->old_level, level)
               : OK;
}

static enum err fill_results(struct decision *decision,
                             const struct update_features_request *request,
                             struct update_features_response *response)
{
    response->error_message = (struct wire_string){0};
    response->results.items =
        codec_new_array(&update_features_response_updatable_feature_result_struct, decision->arena,
                        (size_t)request->feature_updates.count);
    if (response->results.items == NULL)
        return ERR_NOMEM;
    response->results.count = request->feature_updates.count;
    for (int32_t i = 0; i < response->results.count; i++) {
        response->results.items[i].feature = request->feature_updates.items[i].feature;
        response->results.items[i].error_message = wire_string("NONE");
    }
    return OK;
}

/* A feature that is named again counts as it is named last: QuorumController.updateFeatures puts
 * them into a map.  *out: which ones count, in the arena. */
static enum err find_last(struct decision *decision, const struct update_features_request *request,
                          bool **out)
{
    int32_t count = request->feature_updates.count;
    bool *is_last = arena_alloc(decision->arena, count < 0 ? 0 : (size_t)count);
    struct hash_map names;
    enum err err = is_last == NULL ? ERR_NOMEM : OK;

    hash_map_init(&names, prng_u64(decision->prng));
    for (int32_t i = count - 1; err == OK && i >= 0; i--) {
        struct wire_string name = request->feature_updates.items[i].feature;
        err = hash_map_insert(&names, name.text, (size_t)name.size_bytes, is_last);
        is_last[i] = err == OK;
        if (err == ERR_EXISTS)
            err = OK;
    }
    hash_map_deinit(&names);
    *out = is_last;
    return err;
}

enum err decide_update_features(struct decision *decision,
                                const struct update_features_request *request,
                                struct update_features_response *response)
{
    bool *is_last;
    enum err err = find_last(decision, request, &is_last);

    if (err != OK)
        return err;
    for (int32_t i = 0; i < request->feature_updates.count; i++) {
        const asked_update *asked = &request->feature_updates.items[i];
        struct updating updating = {.decision = decision, .asked = asked};
        if (!is_last[i])
            continue;
        updating.name = arena_strndup(decision->records->arena, asked->feature.text,
                                      (size_t)asked->feature.size_bytes);
        if (updating.name == NULL)
            return ERR_NOMEM;
        updating.old_level = image_feature_level(decision->image, updating.name);
        if (!check_update(&updating)) {
            decision->records->count = 0;
            response->error_code = KAFKA_INVALID_UPDATE_VERSION;
            response->error_message =
                decision_text(decision,
                              "The update failed for all features since the following feature had "
                              "an error: %.*s",
                              updating.problem.size_bytes,
                              updating.problem.text == NULL ? "" : updating.problem.text);
            return OK;
        }
        err = add_level(&updating);
        if (err != OK)
            return err;
    }
    if (request->validate_only)
        decision->records->count = 0;
    return fill_results(decision, request, response);
}
