#include "broker/record_errors.h"

#include "broker/validation.h"

enum { SHOWN_MAX = 3 };

static const char *text_of(struct request *request, const struct record_errors_scene *scene,
                           const struct batch_record_error *error)
{
    const struct batch_rules *rules = scene->rules;
    int64_t from = rules->now_ms - rules->timestamp_before_max_ms;
    int64_t to;

    if (error->fault == BATCH_FAULT_NO_KEY)
        return arena_printf(&request->arena,
                            "Compacted topic cannot accept message without key in topic partition "
                            "%s-%d",
                            scene->topic_name, scene->partition);
    if (error->fault != BATCH_FAULT_TIME)
        return arena_printf(&request->arena, "%s", error->text);
    if (__builtin_add_overflow(rules->now_ms, rules->timestamp_after_max_ms, &to))
        to = INT64_MAX;
    return arena_printf(&request->arena,
                        "Timestamp %lld of message with offset %d is out of range. The timestamp "
                        "should be within [%lld, %lld]",
                        (long long)error->timestamp_ms, error->record_index, (long long)from,
                        (long long)to);
}

/* Kafka shows the first three in the sentence.  NULL: there is no memory, and so no sentence. */
static const char *summary_of(struct request *request,
                              const struct produce_response_partition_produce_response *answer,
                              int32_t total)
{
    const char *list = "";

    for (int32_t i = 0; i < answer->record_errors.count && i < SHOWN_MAX && list != NULL; i++) {
        struct wire_string text = answer->record_errors.items[i].batch_index_error_message;
        list = arena_printf(&request->arena, "%s%sRecordError(batchIndex=%d, message='%.*s')", list,
                            i == 0 ? "" : ", ", answer->record_errors.items[i].batch_index,
                            text.size_bytes, text.text);
    }
    if (list == NULL)
        return NULL;
    return arena_printf(&request->arena,
                        "One or more records have been rejected due to %d record errors in total, "
                        "and only showing the first three errors at most: [%s]",
                        total, list);
}

struct filling {
    struct request *request;
    const struct record_errors_scene *scene;
    struct produce_response_partition_produce_response *answer;
    int32_t count;
    struct wire_string no_key; /* the same words for every record: once */
};

static bool add_error(void *context, const struct batch_record_error *error)
{
    struct filling *filling = context;
    struct produce_response_partition_produce_response *answer = filling->answer;
    struct wire_string *text =
        &answer->record_errors.items[filling->count].batch_index_error_message;

    answer->record_errors.items[filling->count].batch_index = error->record_index;
    if (error->fault == BATCH_FAULT_NO_KEY && filling->no_key.text != NULL)
        *text = filling->no_key;
    else
        *text = wire_string(text_of(filling->request, filling->scene, error));
    if (error->fault == BATCH_FAULT_NO_KEY)
        filling->no_key = *text;
    return ++filling->count < answer->record_errors.count;
}

/* As far as the work goes that is left; the first ones are known in any case. */
static void walk_errors(struct filling *filling, const struct record_errors_scene *scene,
                        struct record_errors_left *left)
{
    const struct batch_info *info = scene->info;
    struct batch_rules rules = *scene->rules;
    uint64_t spent_bytes = 0;

    rules.work_max_bytes = left->work_bytes;
    if (left->work_bytes > 0)
        spent_bytes = batch_each_error(&rules, filling->request->home->validation->context,
                                       scene->bytes, scene->size_bytes, add_error, filling);
    left->work_bytes -= spent_bytes < left->work_bytes ? spent_bytes : left->work_bytes;
    for (int32_t i = filling->count; i < BATCH_RECORD_ERRORS_MAX; i++)
        (void)add_error(filling, &info->record_errors[i]);
}

void record_errors_fill(struct request *request, const struct record_errors_scene *scene,
                        struct produce_response_partition_produce_response *answer,
                        struct record_errors_left *left)
{
    const struct batch_info *info = scene->info;
    struct filling filling = {.request = request, .scene = scene, .answer = answer};
    int32_t count = info->record_error_count < left->count ? info->record_error_count : left->count;

    if (info->record_error_count == 0)
        return;
    if (count > 0) {
        answer->record_errors.items = request_try_array(
            request, &produce_response_batch_index_and_error_message_struct, count);
        if (answer->record_errors.items == NULL)
            return; /* the batch is refused all the same */
        answer->record_errors.count = count;
        if (count <= BATCH_RECORD_ERRORS_MAX)
            for (int32_t i = 0; i < count; i++)
                (void)add_error(&filling, &info->record_errors[i]);
        else if (scene->errors != NULL)
            for (int32_t i = 0; i < count && i < scene->error_count; i++)
                (void)add_error(&filling, &scene->errors[i]);
        else
            walk_errors(&filling, scene, left);
        answer->record_errors.count = filling.count; /* fewer where the walk was ended */
        left->count -= filling.count;
    }
    answer->error_message =
        wire_string(info->record_errors[0].fault == BATCH_FAULT_NO_KEY
                        ? summary_of(request, answer, info->record_error_count)
                        : "One or more records have been rejected due to invalid timestamp");
}
