#include "broker/record_errors.h"

#include "base/check.h"

enum { SHOWN_MAX = 3 };

static const char *text_of(struct request *request, const struct record_errors_scene *scene,
                           const struct batch_record_error *error)
{
    int64_t from = scene->now_ms - scene->timestamp_before_max_ms;
    int64_t to;

    if (error->fault == BATCH_FAULT_NO_KEY)
        return arena_printf(&request->arena,
                            "Compacted topic cannot accept message without key in topic partition "
                            "%s-%d",
                            scene->topic_name, scene->partition);
    if (error->fault != BATCH_FAULT_TIME)
        return error->text;
    if (__builtin_add_overflow(scene->now_ms, scene->timestamp_after_max_ms, &to))
        to = INT64_MAX;
    return arena_printf(&request->arena,
                        "Timestamp %lld of message with offset %d is out of range. The timestamp "
                        "should be within [%lld, %lld]",
                        (long long)error->timestamp_ms, error->record_index, (long long)from,
                        (long long)to);
}

/* Kafka shows the first three in the sentence. */
static const char *summary_of(struct request *request,
                              const struct produce_response_partition_produce_response *answer,
                              int32_t total)
{
    const char *list = "";

    for (int32_t i = 0; i < answer->record_errors.count && i < SHOWN_MAX; i++) {
        struct wire_string text = answer->record_errors.items[i].batch_index_error_message;
        list = arena_printf(&request->arena, "%s%sRecordError(batchIndex=%d, message='%.*s')", list,
                            i == 0 ? "" : ", ", answer->record_errors.items[i].batch_index,
                            text.size_bytes, text.text);
    }
    return arena_printf(&request->arena,
                        "One or more records have been rejected due to %d record errors in total, "
                        "and only showing the first three errors at most: [%s]",
                        total, list);
}

void record_errors_fill(struct request *request, const struct record_errors_scene *scene,
                        const struct batch_info *info,
                        struct produce_response_partition_produce_response *answer)
{
    int32_t count = info->record_error_count;

    if (count == 0)
        return;
    if (count > BATCH_RECORD_ERRORS_MAX)
        count = BATCH_RECORD_ERRORS_MAX;
    answer->record_errors.items =
        request_new_array(request, &produce_response_batch_index_and_error_message_struct, count);
    answer->record_errors.count = count;
    for (int32_t i = 0; i < count; i++) {
        answer->record_errors.items[i].batch_index = info->record_errors[i].record_index;
        answer->record_errors.items[i].batch_index_error_message =
            wire_string(text_of(request, scene, &info->record_errors[i]));
    }
    answer->error_message =
        wire_string(info->record_errors[0].fault == BATCH_FAULT_NO_KEY
                        ? summary_of(request, answer, info->record_error_count)
                        : "One or more records have been rejected due to invalid timestamp");
}
