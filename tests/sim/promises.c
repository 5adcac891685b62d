/* promises.c -- goes through all orders of all authorities at the end, and through all hours. */
#include "promises.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)

struct seen {
	unsigned certificate;
	struct fake_order_view view;
};

struct orders {
	const struct machine *machine;
	struct seen *seen;
	size_t count;
};

static void collect(void *ctx, const struct fake_order_view *view)
{
	struct orders *orders = ctx;
	const struct config *config = orders->machine->config;
	struct seen *seen = reallocarray(orders->seen, orders->count + 1, sizeof(*orders->seen));

	if (!seen)
		abort();
	orders->seen = seen;
	seen += orders->count++;
	*seen = (struct seen){ .view = *view };
	while (strcmp(config->certificates[seen->certificate].names[0] + strlen("dns:"), view->name) != 0)
		seen->certificate++;
}

static int by_certificate(const void *left, const void *right)
{
	const struct seen *one = left, *other = right;

	if (one->certificate != other->certificate)
		return one->certificate < other->certificate ? -1 : 1;
	return (one->view.made_at_ms > other->view.made_at_ms) - (one->view.made_at_ms < other->view.made_at_ms);
}

/* `next`: the order for the same certificate that was made after it, or NULL. */
static void judge(const struct fake_times *clock_sets, const struct fake_times *key_losses, const struct seen *seen,
		  const struct seen *next, unsigned *unsaved, struct promises_orders *ret)
{
	int64_t until = next ? next->view.made_at_ms : INT64_MAX;

	if (seen->view.is_answer_lost) {
		ret->lost++;
	} else if (seen->view.is_mistold) {
		ret->mistold++;
	} else if (next && next->view.ca != seen->view.ca) {
		ret->moved++;
	} else if (fake_times_within(clock_sets, seen->view.made_at_ms, until)) {
		ret->jumped++;
	} else if (fake_times_within(key_losses, seen->view.made_at_ms, until)) {
		ret->keyless++;
	} else if (*unsaved) {
		ret->unsaved++;
		(*unsaved)--;
	} else if (ret->none++ == 0) {
		snprintf(ret->first, sizeof(ret->first), "%s", seen->view.url);
	}
}

struct promises_orders promises_orders(const struct machine *machine, const struct fake_times *clock_sets,
				       const struct fake_times *key_losses)
{
	struct promises_orders ret = { 0 };
	struct orders orders = { .machine = machine };
	unsigned unsaved = 0;

	for (unsigned i = 0; i < FAKE_CAS_MAX; i++)
		fake_ca_orders_each(i, collect, &orders);
	if (orders.count)
		qsort(orders.seen, orders.count, sizeof(*orders.seen), by_certificate);
	for (size_t i = 0; i < orders.count; i++) {
		const struct seen *seen = &orders.seen[i];
		bool is_last = i + 1 == orders.count || orders.seen[i + 1].certificate != seen->certificate;
		struct store_certificate record;

		if (i == 0 || orders.seen[i - 1].certificate != seen->certificate)
			unsaved = machine->views[seen->certificate].unsaved;
		if (!seen->view.is_open)
			continue;
		if (store_certificate_load(machine->store, machine->config->certificates[seen->certificate].name, &record,
					   NULL) == RC_OK &&
		    strcmp(record.order.url, seen->view.url) == 0)
			continue;
		judge(clock_sets, key_losses, seen, is_last ? NULL : &orders.seen[i + 1], &unsaved, &ret);
	}
	free(orders.seen);
	return ret;
}

static int by_time(const void *left, const void *right)
{
	const int64_t *one = left, *other = right;

	return (*one > *other) - (*one < *other);
}

/* Asked for by all of them: a piece of work each. */
static size_t revocations(int64_t from_ms, int64_t to_ms)
{
	size_t count = 0;

	for (unsigned ca = 0; ca < FAKE_CAS_MAX; ca++)
		count += fake_times_within(&fake_ca_get(ca)->revocations, from_ms, to_ms);
	return count;
}

/* Whose number is limited for each order. */
static size_t looks(int64_t from_ms, int64_t to_ms)
{
	size_t count = 0;

	for (unsigned ca = 0; ca < FAKE_CAS_MAX; ca++)
		count += fake_times_within(&fake_ca_get(ca)->looks, from_ms, to_ms);
	return count;
}

struct promises_hour promises_hour(const struct machine *machine, const struct fake_times *clock_sets)
{
	struct promises_hour worst = { 0 };
	struct fake_times all = { 0 };
	size_t first = 0, from = 0, to = 0;
	const struct fake_times *worked = &machine->worked;
	int64_t most = INT64_MIN;

	for (unsigned ca = 0; ca < FAKE_CAS_MAX; ca++)
		for (size_t i = 0; i < fake_ca_get(ca)->requests.count; i++)
			fake_times_add(&all, fake_ca_get(ca)->requests.at[i]);
	if (all.count)
		qsort(all.at, all.count, sizeof(*all.at), by_time);
	for (size_t last = 0; last < all.count; last++) {
		int64_t at = all.at[last];

		for (; at - all.at[first] >= HOUR_MS; first++)
			;
		for (; from < worked->count && worked->at[from] < at - 2 * HOUR_MS; from++)
			;
		for (; to < worked->count && worked->at[to] <= at + HOUR_MS; to++)
			;
		size_t works = to - from + revocations(at - 2 * HOUR_MS, at + HOUR_MS),
		       questions = 1 + fake_times_within(clock_sets, at - HOUR_MS, at);
		size_t allowed = works * PROMISES_REQUESTS + questions * PROMISES_QUESTIONS + 2 * looks(at - HOUR_MS, at + 1),
		       requests = last - first + 1;
		if ((int64_t)requests - (int64_t)allowed > most) {
			most = (int64_t)requests - (int64_t)allowed;
			worst = (struct promises_hour){ at / 1000, requests, works, allowed };
		}
	}
	free(all.at);
	return worst;
}
