#include "tools/load/load_shared_account.h"

#include "base/crc32c.h"

#include <stdio.h>
#include <string.h>

/* Of which topics a state is. */
static uint64_t label_of(const struct load_workload *workload)
{
    return (uint64_t)workload->topics_count << 32 |
           crc32c(0, workload->topic, strlen(workload->topic));
}

enum err load_shared_account_save(struct load_shared *shared, bool goes_on)
{
    const char *path = shared->workload->state_file;
    enum err err = OK;

    load_shared_lock(shared);
    if (path[0] != '\0' && shared->account != NULL)
        err = load_account_save(shared->account, path, goes_on);
    load_shared_unlock(shared);
    return err;
}

enum err load_shared_account_open(struct load_shared *shared, char *problem, size_t problem_max)
{
    const struct load_workload *workload = shared->workload;
    enum err err = ERR_NOT_FOUND;

    if (workload->state_file[0] != '\0')
        err = load_account_load(workload->state_file, workload->account_bytes, &shared->account);
    if (err == ERR_NOT_FOUND) {
        err = load_account_create(shared->run, workload->account_bytes, &shared->account);
        if (err == OK)
            load_account_set_label(shared->account, label_of(workload));
    }
    if (err == OK && load_account_label(shared->account) != label_of(workload)) {
        snprintf(problem, problem_max, "%s is the account of other topics", workload->state_file);
        return ERR_INVALID;
    }
    if (err == OK) {
        shared->run = load_account_run(shared->account);
        shared->first_producer = load_account_producers_count(shared->account);
        err = load_account_reserve(shared->account, shared->first_producer,
                                   workload->topics_count * workload->producers_count);
    }
    if (err == OK)
        err = load_shared_account_save(shared, true);
    if (err != OK)
        snprintf(problem, problem_max, "the account%s%s: %s",
                 workload->state_file[0] == '\0' ? "" : " in ", workload->state_file,
                 err_text(err));
    return err;
}
