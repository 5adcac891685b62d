/*
 * progress.h -- on a terminal, the last step and for how long it has taken, once that is more than a second; elsewhere nothing.
 *
 * For commands that end; the daemon begins none.  The line is taken away before anything else is written: log.c does that for what goes to
 * stderr, and what is printed on stdout is held back until then, a fifth of a second at the most.
 */
#ifndef HWA_PROGRESS_H
#define HWA_PROGRESS_H

/* After the last fork: a thread is started.  `what` is shown until the first line of the log.  Again, or without a terminal: nothing. */
void progress_begin(const char *what);
/* Takes the line away for good; what was held back is written.  Without a beginning: nothing. */
void progress_end(void);

/* log.c, around each line: nobody else writes meanwhile. */
void progress_pause(void);
void progress_go_on(const char *certificate, const char *message); /* `certificate` may be NULL */

#endif /* HWA_PROGRESS_H */
