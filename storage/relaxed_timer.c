#include "storage/relaxed_timer.h"

static void on_timer(struct timer *timer)
{
    struct relaxed_timer *relaxed = container_of(timer, struct relaxed_timer, timer);

    if (!relaxed->pending || !relaxed->sync(relaxed->context))
        return;
    relaxed->pending = false;
    loop_set_timer_ms(relaxed->loop, &relaxed->timer, relaxed->interval_ms);
}

void relaxed_timer_init(struct relaxed_timer *relaxed, struct loop *loop, uint32_t interval_ms,
                        bool (*sync)(void *context), void *context)
{
    *relaxed = (struct relaxed_timer){
        .loop = loop, .interval_ms = interval_ms, .sync = sync, .context = context};
    relaxed->timer.fire = on_timer;
}

void relaxed_timer_deinit(struct relaxed_timer *relaxed)
{
    loop_cancel_timer(relaxed->loop, &relaxed->timer);
}

void relaxed_timer_note(struct relaxed_timer *relaxed)
{
    relaxed->pending = true;
    if (!list_is_linked(&relaxed->timer.node)) /* RLX-1 */
        loop_set_timer_ms(relaxed->loop, &relaxed->timer, relaxed->interval_ms);
}
