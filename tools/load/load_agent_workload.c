/* A workload on its way to an agent, and the agent's share of it. */
#include "base/mem.h"
#include "tools/load/load_agent.h"
#include "tools/load/load_option.h"

#include <string.h>

/* Of the driver: what is made of the result, and what is measured beside it. */
static const char *const kept[] = {"agents",     "format", "json",    "report",
                                   "csv",        "hlog",   "limits",  "limits-dir",
                                   "broker-pid", "state",  "find-max"};

static bool is_kept(const char *name)
{
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (strcmp(name, kept[i]) == 0)
            return true;
    }
    return false;
}

/* The first option that would make an agent read a file of its machine; NULL: none. */
static const char *file_of(const struct load_workload *workload)
{
    if (workload->payload_file[0] != '\0')
        return "--payload-file";
    if (workload->size_text[0] == '@')
        return "--size @FILE";
    if (strncmp(workload->rate_text, "trace:", strlen("trace:")) == 0)
        return "--rate trace:FILE";
    return NULL;
}

static enum err refuse_files(const struct load_workload *workload, char *problem,
                             size_t problem_max)
{
    const char *option = file_of(workload);

    if (option == NULL)
        return OK;
    snprintf(problem, problem_max, "%s can't be used with agents: they read no files", option);
    return ERR_INVALID;
}

enum err load_agent_describe(const struct load_workload *workload, char **text_out, char *problem,
                             size_t problem_max)
{
    struct load_workload *usual = mem_try_alloc(sizeof(*usual));
    char *text = mem_try_alloc(LOAD_AGENT_WORKLOAD_BYTES_MAX);
    size_t count;
    const struct load_option *rows = load_option_rows(&count);
    size_t used = 0;
    enum err err = refuse_files(workload, problem, problem_max);

    if (usual == NULL || text == NULL) {
        snprintf(problem, problem_max, "no memory");
        err = ERR_NOMEM;
    }
    if (!err)
        load_workload_defaults(usual);
    for (size_t i = 0; i < count && !err; i++) {
        char value[LOAD_LONG_MAX];
        char other[LOAD_LONG_MAX];
        load_option_get(workload, &rows[i], value, sizeof(value));
        load_option_get(usual, &rows[i], other, sizeof(other));
        if ((rows[i].of & LOAD_OPTION_OF_ALL) == 0 || is_kept(rows[i].name) ||
            strcmp(value, other) == 0)
            continue;
        if (strchr(value, '\n') != NULL ||
            used + strlen(rows[i].name) + strlen(value) + 3 > LOAD_AGENT_WORKLOAD_BYTES_MAX) {
            snprintf(problem, problem_max, "--%s can't be told to an agent", rows[i].name);
            err = ERR_INVALID;
            continue;
        }
        used += (size_t)snprintf(text + used, LOAD_AGENT_WORKLOAD_BYTES_MAX - used, "%s=%s\n",
                                 rows[i].name, value);
    }
    mem_free(usual);
    if (err)
        mem_free(text);
    else
        *text_out = text;
    return err;
}

enum err load_agent_understand(char *text, size_t size_bytes, struct load_workload *workload,
                               char *problem, size_t problem_max)
{
    char *rest;

    if (strlen(text) != size_bytes) {
        snprintf(problem, problem_max, "the workload is no text");
        return ERR_INVALID;
    }
    load_workload_defaults(workload);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *equals = strchr(line, '=');
        const char *near;
        const struct load_option *option =
            equals == NULL
                ? NULL
                : load_option_find(line, (size_t)(equals - line), LOAD_OPTION_OF_ALL, &near);
        char why[256];
        if (option == NULL || is_kept(option->name)) {
            snprintf(problem, problem_max, "the agent does not know the option \"%.100s\"", line);
            return ERR_INVALID;
        }
        if (load_option_set(workload, option, equals + 1, why, sizeof(why)) != OK) {
            snprintf(problem, problem_max, "--%s %s", option->name, why);
            return ERR_INVALID;
        }
    }
    return refuse_files(workload, problem, problem_max);
}

void load_agent_take_share(struct load_workload *workload, uint32_t number, uint32_t count)
{
    workload->pacing.rate /= count;
    workload->pacing.rate_to /= count;
    for (size_t i = 0; i < workload->pacing.points_count; i++)
        workload->points[i].rate /= count;
    if (workload->records_max > 0)
        workload->records_max =
            workload->records_max / count + (number < workload->records_max % count);
    workload->backlog_bytes /= count;
    workload->lag_count /= count;
    /* other keys, payloads and gaps than the next agent's */
    workload->seed += number;
    workload->keys.seed += number;
    workload->pacing.seed += number;
}
