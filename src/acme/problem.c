/* problem.c -- makes an error of what a CA refused, by the table in problem.h. */
#include "problem.h"

#include <string.h>

static const struct {
	const char *type;
	enum rc rc;
	bool keeps;
	const char *hint;
} TABLE[PROBLEM_COUNT] = {
#define X(name, type, rc, keeps, hint) [PROBLEM_##name] = { type, rc, keeps, hint },
	[PROBLEM_NONE] = { "none", RC_DENIED, false, "" },
	PROBLEMS(X)[PROBLEM_UNKNOWN] = { "unknown", RC_DENIED, false, "" },
#undef X
};

enum problem problem_parse(const char *type)
{
	for (int i = PROBLEM_NONE + 1; i < PROBLEM_UNKNOWN; i++)
		if (strcmp(TABLE[i].type, type) == 0)
			return (enum problem)i;
	return PROBLEM_UNKNOWN;
}

const char *problem_type(enum problem problem)
{
	return problem < PROBLEM_COUNT ? TABLE[problem].type : TABLE[PROBLEM_UNKNOWN].type;
}

/* What the status alone tells. */
static enum rc rc_of_status(long status)
{
	if (status == 404 || status == 410)
		return RC_ABSENT; /* an order that was dropped, or a word of a proxy's: nothing dearer is given up for it */
	/* RFC 9110, 15.5.9 (a request that came too slowly), RFC 8470, 5.2 (too early), RFC 6585, 4 (too often): the same may be sent again. */
	return status >= 500 || status == 408 || status == 425 || status == 429 ? RC_RETRY : RC_DENIED;
}

enum rc problem_fail(struct err *err, const struct message_problem *problem, long status, int64_t retry_at)
{
	/* RFC 7807, 3.1 and 4.2: no type, as well as this one, says no more than the status does. */
	bool has_type = problem && problem->type[0] && strcmp(problem->type, "about:blank") != 0;
	enum problem which = has_type ? problem_parse(problem->type) : PROBLEM_UNKNOWN;
	enum rc rc = rc_of_status(status);

	if (!has_type) {
		rc = err_set_raw(err, rc, ERR_HTTP, status, "HTTP status %ld%s%s", status, problem ? ": " : "",
				 problem ? problem->detail : "");
	} else {
		/* The status of something that is gone says more than a type does; of the rest the type is the word. */
		if (rc != RC_ABSENT && which != PROBLEM_UNKNOWN)
			rc = TABLE[which].rc;
		rc = err_set_raw(err, rc, ERR_ACME, status, "the CA answers %s: %s%s%s%s%s%s%s", problem->type, problem->detail,
				 problem->instance[0] ? "; read " : "", problem->instance,
				 /* RFC 8555, 6.2: the answer to an algorithm it does not take lists those it does. */
				 problem->algorithms[0] ? "; it takes " : "", problem->algorithms,
				 TABLE[which].hint[0] ? "; " : "", TABLE[which].hint);
	}
	if (err) {
		err->retry_at = retry_at;
		err->problem = which;
	}
	return rc;
}

bool problem_keeps_order(const struct err *err)
{
	/* The table's word comes first: what is ours to mend may still have cost the order. */
	if (err->rc != RC_ABSENT && err->problem && err->problem < PROBLEM_UNKNOWN)
		return TABLE[err->problem].keeps;
	if (err->rc == RC_RETRY || err->rc == RC_RESOURCE || err->rc == RC_INPUT || err->rc == RC_BUG)
		return true;
	return err_is_token(err) || err->origin == ERR_CURL;
}
