/* log_codes: every code that a log line may carry, in rising order.
 *
 * No include guard: included by whoever needs the list, with LOG_CODE(code, text, advice) defined.
 *   code    "LVE-" and four digits; never reused, never renumbered.
 *           1xxx process and base, 2xxx storage, 3xxx network, 4xxx topics and metadata,
 *           5xxx groups and transactions, 6xxx access, 7xxx replication, 8xxx tools
 *   text    what happened, one line
 *   advice  cause, effect and next step, as `levee explain` prints it and the manual has it */

LOG_CODE(
    "LVE-1001", "a check of our own code failed and the process stopped",
    "Cause: a defect in levee, or memory damaged by hardware. Effect: the broker ends at once, "
    "so that nothing wrong is written; records acknowledged as durable are safe. Next step: "
    "start it again, keep the log and the core file, and report both.")
LOG_CODE("LVE-1002", "the kernel refused memory and the process stopped",
         "Cause: the machine or the container has less memory than the configured limits add up "
         "to. Effect: the broker ends at once; records acknowledged as durable are safe. Next "
         "step: raise the memory limit or lower the configured ones, then start it again.")
LOG_CODE("LVE-1003", "log lines were suppressed",
         "Cause: one event happened very often. Effect: only some of its lines were written; the "
         "field suppressed has the number of the others, about_code their code. Next step: look "
         "at the lines of that code.")
