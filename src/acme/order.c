/* order.c -- the transition table of an ACME order; every decision about one is made here. */
#include "order.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define X(name, back) #name,
static const char *const PHASE_WORDS[] = { ORDER_PHASES(X) };
#undef X
#define X(name) #name,
static const char *const STATUS_WORDS[] = { ORDER_STATUSES(X) };
static const char *const ACTION_WORDS[] = { ORDER_ACTIONS(X) };
#undef X
#define X(name, back) ORDER_##back,
static const enum order_phase WAY_BACK[] = { ORDER_PHASES(X) };
#undef X

/* What is done in a phase. */
static const enum order_action PHASE_ACTION[ORDER_PHASE_COUNT] = {
	[ORDER_START] = ORDER_DO_SUBMIT,      [ORDER_AUTHORIZE] = ORDER_DO_SOLVE, [ORDER_VALIDATE] = ORDER_DO_WATCH,
	[ORDER_FINALIZE] = ORDER_DO_SEND_CSR, [ORDER_POLL] = ORDER_DO_ASK,        [ORDER_AWAIT] = ORDER_DO_ASK,
	[ORDER_FETCH] = ORDER_DO_DOWNLOAD,    [ORDER_DONE] = ORDER_DO_STOP,       [ORDER_FAILED] = ORDER_DO_STOP,
};

#define NEVER ORDER_PHASE_COUNT /* RFC 8555 does not allow this answer here */

/*
 * RFC 8555, 7.1.6 and 7.4: where an answer leads.  A poll may observe any status, also
 * one we have already passed: states may change without being seen.  `ready` in the
 * first answer is the pre-authorised path and costs no challenge.  An order all of whose
 * authorisations were seen valid is believed to be ready (7.4: "believes it has
 * fulfilled the server's requirements"); where the CSR comes too early (orderNotReady,
 * an order that is pending still), that leads back to asking.
 */
/* clang-format off */
static const enum order_phase NEXT[ORDER_PHASE_COUNT][ORDER_STATUS_COUNT] = {
	/*			PENDING		 READY		 PROCESSING   VALID	   INVALID */
	[ORDER_START]	  = { ORDER_AUTHORIZE, ORDER_FINALIZE, ORDER_AWAIT, ORDER_FETCH, ORDER_FAILED },
	[ORDER_AUTHORIZE] = { ORDER_FINALIZE,  ORDER_FINALIZE, ORDER_AWAIT, ORDER_FETCH, ORDER_FAILED },
	[ORDER_VALIDATE]  = { ORDER_FINALIZE,  ORDER_FINALIZE, ORDER_AWAIT, ORDER_FETCH, ORDER_FAILED },
	[ORDER_FINALIZE]  = { ORDER_POLL,      ORDER_AWAIT,    ORDER_AWAIT, ORDER_FETCH, ORDER_FAILED },
	[ORDER_POLL]	  = { ORDER_AUTHORIZE, ORDER_FINALIZE, ORDER_AWAIT, ORDER_FETCH, ORDER_FAILED },
	[ORDER_AWAIT]	  = { ORDER_AUTHORIZE, ORDER_FINALIZE, ORDER_AWAIT, ORDER_FETCH, ORDER_FAILED },
	[ORDER_FETCH]	  = { NEVER,	       NEVER,	       NEVER,	    ORDER_DONE,	 ORDER_FAILED },
	[ORDER_DONE]	  = { NEVER,	       NEVER,	       NEVER,	    NEVER,	 NEVER },
	[ORDER_FAILED]	  = { NEVER,	       NEVER,	       NEVER,	    NEVER,	 NEVER },
};
/* clang-format on */

/* The phases in which we wait for the CA and look again. */
static bool is_look(enum order_phase phase)
{
	return phase == ORDER_POLL || phase == ORDER_AWAIT || phase == ORDER_VALIDATE;
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/*
 * Milliseconds: each pause is longer than the last, up to a steady pace, and at last a part of what was waited so far.  A CA that leads us
 * in circles, to something new each time, is asked ever less often, too.
 */
static int64_t pause_of(const struct order *order, enum order_status status)
{
	int64_t share = order->waited_ms / ORDER_PAUSE_SHARE, most = ORDER_PAUSE_MOST * 1000;
	int64_t quick = ORDER_PAUSE_FIRST + (order->waited_ms - 1) * (ORDER_PAUSE_GROWTH - 1);

	/* Answers were put out just now, or the CSR was taken: that is another thing to wait for. */
	if (order->phase == ORDER_AUTHORIZE || (order->phase == ORDER_FINALIZE && status != ORDER_IS_PENDING))
		return clamp(share / ORDER_PAUSE_SHARE, ORDER_PAUSE_FIRST, most / ORDER_PAUSE_SHARE);
	return quick < 1000 ? quick : clamp(share, ORDER_PAUSE_LEAST * 1000, most);
}

/* A Retry-After is never cut short.  One that is shorter than the CA takes is obeyed less and less promptly. */
static void pause_before(struct order *order, enum order_phase phase, const struct order_event *event, int64_t now,
			 struct order_next *next)
{
	int64_t asked = event->retry_at > now ? (event->retry_at - now) * 1000 : 0;
	/* The first look at an order costs nothing; but it takes some time. */
	bool is_first = order->waited_ms == 0 && phase == ORDER_AWAIT;

	order->waited_ms += order->waited_ms == 0;
	int64_t pause = is_first ? 0 : pause_of(order, event->status);
	if (asked && (asked > pause || pause <= ORDER_PAUSE_LEAST * 1000))
		pause = asked;
	if (pause < 1000)
		next->pause_ms = (unsigned)pause;
	else
		next->not_before = now + pause / 1000;
	order->waited_ms += pause;
}

/* When it is asked again is for the caller's back-off to say, of which nothing is known here but that it grows, too. */
static void count_lost(struct order *order)
{
	int64_t share = order->waited_ms / ORDER_PAUSE_SHARE;

	order->waited_ms += 1 + (share < ORDER_LOST_MOST * 1000 ? share : ORDER_LOST_MOST * 1000);
}

static void give_up(struct order *order, struct order_next *ret_next)
{
	order->phase = ORDER_FAILED;
	order->not_before = order->asked_at = 0;
	*ret_next = (struct order_next){ .action = ORDER_DO_STOP };
}

/* What is left to do needs the order to be alive. */
static bool can_expire(enum order_phase phase)
{
	return phase != ORDER_DONE && phase != ORDER_FAILED && phase != ORDER_FETCH;
}

/* What was waited for, as it was last seen, and for how long. */
static void print_wait(const struct order *order, const struct order_event *event, enum order_phase next, char text[128])
{
	char waited[CLOCK_TEXT_MAX];
	int len;

	if (event->rc != RC_OK)
		len = snprintf(text, 128, "the CA did not tell how far it was");
	else if (next == ORDER_VALIDATE && event->is_unready)
		len = snprintf(text, 128, "its challenges could not be answered yet");
	else if (next == ORDER_VALIDATE)
		len = snprintf(text, 128, "%u of its authorisations were not valid yet", event->waiting);
	else
		len = snprintf(text, 128, "it was \"%s\" still", order_status_name(event->status));
	if (order->waited_ms >= 1000)
		snprintf(text + len, 128 - (size_t)len, ", after a wait of %s",
			 clock_print_duration(order->waited_ms / 1000, waited));
}

/* RC_OK: it may go on. */
static enum rc end_of_wait(const struct order *order, const struct order_event *event, enum order_phase next, int64_t now,
			   struct err *err)
{
	char wait[128], at[CLOCK_TEXT_MAX];
	/* TR 33.776, 6.9.1.1: `expires` may be updated by the server; what counts is what it said last. */
	bool has_expired = order->expires_at && now >= order->expires_at;

	if (!can_expire(next) || !(has_expired || (!order->expires_at && order->waited_ms >= ORDER_WAIT_MAX * 1000)))
		return RC_OK;
	print_wait(order, event, next, wait);
	if (has_expired)
		return err_set(err, RC_DENIED, "the order expired %s: %s; the next attempt places another",
			       clock_print(order->expires_at, at), wait);
	return err_set(err, RC_RETRY,
		       "the order is given up: %s, and the CA does not say when it expires; the next attempt places another",
		       wait);
}

static enum order_phase next_phase(const struct order *order, const struct order_event *event)
{
	/* A lost answer and a restart are the same case: ask before doing it again. */
	if (event->rc == RC_RETRY)
		return WAY_BACK[order->phase];
	if (event->rc != RC_OK)
		return ORDER_FAILED;
	/* The order cannot become ready before they are valid. */
	if (event->waiting && (order->phase == ORDER_AUTHORIZE || order->phase == ORDER_VALIDATE))
		return ORDER_VALIDATE;
	return event->status < ORDER_STATUS_COUNT ? NEXT[order->phase][event->status] : NEVER;
}

enum rc order_step(struct order *order, const struct order_event *event, int64_t now, struct order_next *ret_next,
		   struct err *err)
{
	enum order_phase next = next_phase(order, event);
	enum rc rc = next == NEVER ? err_set(err, RC_PROTOCOL, "the order has a status that is not possible here")
				   : end_of_wait(order, event, next, now, err);

	if (rc != RC_OK) {
		give_up(order, ret_next);
		return rc;
	}
	*ret_next = (struct order_next){ .action = PHASE_ACTION[next] };
	if (event->rc == RC_RETRY && is_look(next))
		count_lost(order);
	else if (next == ORDER_VALIDATE && event->is_unready)
		ret_next->not_before = event->retry_at > now ? event->retry_at : now + ORDER_PAUSE_LEAST;
	else if (is_look(next))
		pause_before(order, next, event, now, ret_next);
	order->phase = next;
	order->not_before = ret_next->not_before;
	order->asked_at = ret_next->not_before ? now : 0;
	return RC_OK;
}

int64_t order_waits_until(const struct order *order, int64_t now)
{
	/* No Retry-After is longer, where it is not known when the wait began. */
	bool is_set_back = order->asked_at > now || order->not_before - now > CLOCK_RETRY_MAX + 1;

	return is_set_back ? now : order->not_before;
}

bool order_is_asked_for(const struct order *order)
{
	return order->phase == ORDER_FINALIZE || order->phase == ORDER_POLL || order->phase == ORDER_AWAIT ||
	       order->phase == ORDER_FETCH || order->phase == ORDER_DONE;
}

void order_expires(struct order *order, int64_t said, int64_t now)
{
	if (said > now || order->expires_at)
		order->expires_at = said;
}

struct order_next order_resume(struct order *order)
{
	order->phase = WAY_BACK[order->phase];
	/* Without its URL the order cannot be asked about; at most one is abandoned at the CA. */
	if (!order->url[0] && order->phase != ORDER_FAILED && order->phase != ORDER_DONE)
		order->phase = ORDER_START;
	if (order->phase == ORDER_FETCH && !order->certificate_url[0])
		order->phase = ORDER_POLL;
	/* A wait that the CA asked for is not cut short by a restart. */
	return (struct order_next){ .action = PHASE_ACTION[order->phase], .not_before = order->not_before };
}

/* Words are kept in one case in the lists; the wire and the store have them small. */
static const char *small(const char *word, char text[16])
{
	size_t i = 0;

	for (; word[i] && i < 15; i++)
		text[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i]);
	text[i] = '\0';
	return text;
}

static const char *name_of(const char *const *words, unsigned at, unsigned count)
{
	static _Thread_local char text[16];

	return at < count ? small(words[at], text) : "unknown";
}

static unsigned index_of(const char *const *words, unsigned count, const char *name)
{
	char text[16];

	for (unsigned i = 0; i < count; i++)
		if (strcmp(small(words[i], text), name) == 0)
			return i;
	return count;
}

const char *order_phase_name(enum order_phase phase)
{
	return name_of(PHASE_WORDS, phase, ORDER_PHASE_COUNT);
}

enum order_phase order_phase_parse(const char *name)
{
	return (enum order_phase)index_of(PHASE_WORDS, ORDER_PHASE_COUNT, name);
}

const char *order_status_name(enum order_status status)
{
	return name_of(STATUS_WORDS, status, ORDER_STATUS_COUNT);
}

enum order_status order_status_parse(const char *name)
{
	return (enum order_status)index_of(STATUS_WORDS, ORDER_STATUS_COUNT, name);
}

const char *order_action_name(enum order_action action)
{
	return name_of(ACTION_WORDS, action, ORDER_ACTION_COUNT);
}
