#include "storage/log/log_loan.h"

#include "base/list.h"
#include "base/mem.h"

static void on_release(struct buf *buf)
{
    struct log_loan *loan = container_of(buf, struct log_loan, buf);
    struct budget *budget = loan->budget;
    uint64_t cost_bytes = loan->cost_bytes;

    for (uint32_t i = 0; i < loan->part_count; i++)
        buf_unref(loan->parts[i].buf);
    mem_free(loan);
    budget_give(budget, cost_bytes);
}

struct log_loan *log_loan_create(struct budget *budget, uint32_t part_count)
{
    struct log_loan *loan =
        mem_try_alloc(sizeof(*loan) + part_count * sizeof(struct log_loan_part));

    if (loan == NULL)
        return NULL;
    *loan = (struct log_loan){.budget = budget};
    buf_init_foreign(&loan->buf, NULL, 0, on_release);
    return loan;
}

/* The buf of the newest part. */
static const struct buf *last_buf(const struct log_loan *loan)
{
    for (uint32_t i = loan->part_count; i > 0; i--)
        if (loan->parts[i - 1].buf != NULL)
            return loan->parts[i - 1].buf;
    return NULL;
}

bool log_loan_add(struct log_loan *loan, const uint8_t *bytes, uint32_t size_bytes, struct buf *buf)
{
    bool again = last_buf(loan) == buf;

    if (!again && !budget_take(loan->budget, buf_cost_bytes(buf)))
        return false;
    if (!again)
        loan->cost_bytes += buf_cost_bytes(buf);
    loan->parts[loan->part_count++] = (struct log_loan_part){
        .bytes = bytes, .size_bytes = size_bytes, .buf = again ? NULL : buf_ref(buf)};
    return true;
}
