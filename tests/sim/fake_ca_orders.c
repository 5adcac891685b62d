/* fake_ca_orders.c -- orders, their authorisations and certificates (RFC 8555, 7.4 and 7.5), and when to renew (RFC 9773). */
#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "clock.h"
#include "codec.h"
#include "fake_ca_state.h"
#include "virtual_clock.h"

#define RENEWAL_INFO_AGE INT64_C(21600) /* Retry-After of renewalInfo */
#define HOUR_MS          INT64_C(3600000)
#define APPROVED_LATE    INT64_C(30000) /* milliseconds; of what takes longer, looks are counted by themselves */

void *fake_ca_grow(void *list, size_t count, size_t size)
{
	/* A power of two has been filled, or it is the first. */
	if ((count & (count - 1)) == 0) {
		list = realloc(list, (count ? 2 * count : 1) * size);
		if (!list)
			abort();
	}
	memset((char *)list + count * size, 0, size);
	return list;
}

void fake_ca_problem(struct fake_exchange *exchange, long status, const char *type, const char *detail)
{
	char full[96];

	snprintf(full, sizeof(full), "urn:ietf:params:acme:error:%s", type);
	exchange->status = status;
	json_decref(exchange->body);
	exchange->body = json_pack("{s:s, s:s}", "type", full, "detail", detail);
}

static const char *status_name(enum fake_status status)
{
	static const char *const names[] = { "pending", "ready", "processing", "valid", "invalid" };

	return names[status];
}

static json_t *url_at(const struct fake_ca_state *ca, const char *what, size_t number)
{
	return json_sprintf("%s/%s/%zu", ca->origin, what, number);
}

static json_t *time_text(int64_t at)
{
	char text[CLOCK_TEXT_MAX];

	return json_string(clock_print(at, text));
}

static struct fake_name *name_get(struct fake_ca_state *ca, const char *name)
{
	for (size_t i = 0; i < ca->name_count; i++)
		if (strcmp(ca->names[i].name, name) == 0)
			return &ca->names[i];
	ca->names = fake_ca_grow(ca->names, ca->name_count, sizeof(*ca->names));
	struct fake_name *made = &ca->names[ca->name_count++];
	snprintf(made->name, sizeof(made->name), "%s", name);
	return made;
}

/* What has come to pass meanwhile. */
static void order_age(struct fake_ca_state *ca, struct fake_order *order)
{
	bool is_due = order->valid_at_ms && virtual_clock_true_ms() >= order->valid_at_ms;

	if (is_due && order->status == FAKE_PENDING && !order->is_lapsed) {
		order->status = order->will_fail ? FAKE_INVALID : FAKE_READY;
		order->was_ready = !order->will_fail;
		order->valid_at_ms = 0;
		ca->public.invalid_orders += order->will_fail;
		order->will_fail = false;
	} else if (is_due && order->status == FAKE_PROCESSING) {
		order->status = FAKE_VALID;
		order->valid_at_ms = 0;
	}
	if (virtual_clock_true() >= order->expires_at && order->status < FAKE_VALID)
		order->status = FAKE_INVALID;
}

static void order_answer(struct fake_exchange *exchange, size_t number, long status)
{
	struct fake_ca_state *ca = exchange->ca;
	struct fake_order *order = &ca->orders[number - 1];

	exchange->status = status;
	exchange->body = json_pack("{s:s, s:o, s:O, s:[o], s:o}", "status", status_name(order->status), "expires",
				   time_text(order->expires_at + ca->public.ahead), "identifiers", order->identifiers,
				   "authorizations", url_at(ca, "authz", number), "finalize", url_at(ca, "finalize", number));
	if (order->profile[0])
		json_object_set_new(exchange->body, "profile", json_string(order->profile));
	if (order->status == FAKE_VALID)
		json_object_set_new(exchange->body, "certificate", url_at(ca, "cert", order->certificate));
	if (order->status == FAKE_INVALID)
		json_object_set_new(exchange->body, "error",
				    json_pack("{s:s, s:s}", "type", "urn:ietf:params:acme:error:unauthorized", "detail",
					      "the simulation made it so"));
	if (order->status == FAKE_PROCESSING && chance_one_in(2))
		exchange->retry_after = chance_between(1, 30);
	snprintf(exchange->location, sizeof(exchange->location), "%s/order/%zu", ca->origin, number);
}

static void look_note(struct fake_ca *ca, struct fake_order *order)
{
	int64_t now = virtual_clock_true_ms();

	if (order->status != FAKE_PROCESSING || order->valid_at_ms - order->sent_at_ms < APPROVED_LATE)
		return;
	fake_times_add(&ca->looks, now);
	order->looks += now - order->sent_at_ms < HOUR_MS;
	if (order->looks > ca->most_looks)
		ca->most_looks = order->looks;
}

/* RFC 9773, 5: what it replaces was issued here, is of the same name, and is not replaced by an order that lives. */
static bool replaces_take(struct fake_exchange *exchange, struct fake_order *order, size_t number)
{
	struct fake_ca_state *ca = exchange->ca;
	const char *id = json_string_value(json_object_get(exchange->payload, "replaces"));
	AUTO(buf) struct buf serial = BUF_MAX(64);
	size_t at = 0;

	if (!id)
		return true;
	const char *dot = strchr(id, '.');
	if (dot && codec_base64url_decode(dot + 1, &serial, NULL) == RC_OK)
		for (size_t i = 1; i < serial.len; i++)
			at = at << 8 | serial.at[i];
	if (at == 0 || at > ca->certificate_count || ca->certificates[at - 1].is_unknown) {
		fake_ca_problem(exchange, 404, "malformed", "it replaces what was not issued here");
		return false;
	}
	struct fake_certificate *old = &ca->certificates[at - 1];
	if (strcmp(old->name, order->name) != 0) {
		fake_ca_problem(exchange, 400, "malformed", "it replaces a certificate of another name");
		return false;
	}
	if (old->replaced_by && ca->orders[old->replaced_by - 1].status != FAKE_INVALID) {
		fake_ca_problem(exchange, 409, "alreadyReplaced", "another order replaces it");
		return false;
	}
	old->replaced_by = number;
	order->replaces = at;
	ca->public.replaced++;
	return true;
}

static void new_order(struct fake_exchange *exchange)
{
	struct fake_ca_state *ca = exchange->ca;
	json_t *identifiers = json_object_get(exchange->payload, "identifiers");
	const char *profile = json_string_value(json_object_get(exchange->payload, "profile"));
	const char *first = json_string_value(json_object_get(json_array_get(identifiers, 0), "value"));

	fake_times_add(&ca->public.orders, virtual_clock_true_ms());
	if (!first) {
		fake_ca_problem(exchange, 400, "malformed", "no identifiers");
		return;
	}
	if (chance_one_in(ca->public.mishaps.limited)) {
		fake_ca_problem(exchange, 429, "rateLimited", "too many");
		/* Who is told to stay away for longer than that stays away for a day (clock.h). */
		exchange->retry_after = chance_one_in(8) ? CLOCK_RETRY_MAX : chance_between(60, 7200);
		return;
	}
	ca->orders = fake_ca_grow(ca->orders, ca->order_count, sizeof(*ca->orders));
	struct fake_order *order = &ca->orders[ca->order_count];
	snprintf(order->name, sizeof(order->name), "%s", first);
	snprintf(order->profile, sizeof(order->profile), "%s", profile ? profile : "");
	if (!replaces_take(exchange, order, ca->order_count + 1))
		return;
	ca->order_count++;
	order->identifiers = json_incref(identifiers);
	order->made_at_ms = virtual_clock_true_ms();
	order->expires_at = virtual_clock_true() + ca->public.order_life;
	int64_t issued_at = name_get(ca, first)->issued_at;
	order->was_ready =
		ca->public.preauthorized < 0 || (issued_at && virtual_clock_true() < issued_at + ca->public.preauthorized);
	order->status = order->was_ready ? FAKE_READY : FAKE_PENDING;
	ca->public.challenged += !order->was_ready;
	order_answer(exchange, ca->order_count, 201);
}

static void authorization_answer(struct fake_exchange *exchange, size_t number)
{
	struct fake_ca_state *ca = exchange->ca;
	struct fake_order *order = &ca->orders[number - 1];
	static const char *const dead[] = { "deactivated", "expired", "revoked" };
	const char *status = order->was_ready ? "valid" : order->status == FAKE_INVALID ? "invalid" : "pending";

	order->is_lapsed |= order->status == FAKE_PENDING && chance_one_in(ca->public.mishaps.lapsed);
	if (order->is_lapsed)
		status = dead[number % 3];

	exchange->status = 200;
	exchange->body =
		json_pack("{s:s, s:O, s:o, s:[{s:s, s:o, s:s, s:s}]}", "status", status, "identifier",
			  json_array_get(order->identifiers, 0), "expires", time_text(order->expires_at + ca->public.ahead),
			  "challenges", "type", "dns-01", "url", url_at(ca, "chall", number), "token", "c2ltdWxhdGVk", "status",
			  status[0] != 'p'     ? status
			  : order->valid_at_ms ? "processing"
					       : "pending");
	if (!order->was_ready && chance_one_in(4))
		exchange->retry_after = chance_between(1, 20);
}

static void challenge_take(struct fake_exchange *exchange, size_t number)
{
	struct fake_ca_state *ca = exchange->ca;
	struct fake_order *order = &ca->orders[number - 1];

	if (order->status == FAKE_PENDING && !order->valid_at_ms) {
		order->valid_at_ms = virtual_clock_true_ms() + chance_between(100, 15000);
		order->will_fail = chance_one_in(ca->public.mishaps.invalid);
	}
	exchange->status = 200;
	exchange->body = json_pack("{s:s, s:o, s:s, s:s}", "type", "dns-01", "url", url_at(ca, "chall", number), "token",
				   "c2ltdWxhdGVk", "status", "processing");
}

static void finalize(struct fake_exchange *exchange, size_t number)
{
	struct fake_ca_state *ca = exchange->ca;
	struct fake_order *order = &ca->orders[number - 1];
	const char *csr = json_string_value(json_object_get(exchange->payload, "csr"));

	if (order->status != FAKE_READY) {
		fake_ca_problem(exchange, 403, "orderNotReady", status_name(order->status));
		return;
	}
	if (chance_one_in(ca->public.mishaps.invalid)) {
		order->status = FAKE_INVALID;
		ca->public.invalid_orders++;
		order_answer(exchange, number, 200);
		return;
	}
	order->certificate = csr ? fake_ca_issue(ca, order, csr) : 0;
	if (!order->certificate) {
		fake_ca_problem(exchange, 400, "badCSR", "it cannot be read, or its signature is wrong");
		return;
	}
	name_get(ca, order->name)->issued_at = virtual_clock_true();
	order->status = FAKE_PROCESSING;
	order->sent_at_ms = virtual_clock_true_ms();
	order->valid_at_ms =
		virtual_clock_true_ms() + ca->public.approval * 1000 + (chance_one_in(2) ? 0 : chance_between(50, 20000));
	order_age(ca, order);
	order_answer(exchange, number, 200);
}

static void certificate_give(struct fake_exchange *exchange, size_t number)
{
	struct fake_ca_state *ca = exchange->ca;

	for (size_t i = 0; i < ca->order_count; i++)
		ca->orders[i].is_fetched |= ca->orders[i].certificate == number;
	exchange->status = 200;
	exchange->text = strdup(ca->certificates[number - 1].pem);
}

bool fake_ca_serve(struct fake_exchange *exchange)
{
	struct fake_ca_state *ca = exchange->ca;
	char what[16];
	size_t number = 0;

	if (strcmp(exchange->path, "/order") == 0) {
		new_order(exchange);
		return true;
	}
	if (sscanf(exchange->path, "/%15[a-z]/%zu", what, &number) != 2 || number == 0)
		return false;
	if (strcmp(what, "cert") == 0 && number <= ca->certificate_count && ca->certificates[number - 1].pem) {
		certificate_give(exchange, number);
		return true;
	}
	if (number > ca->order_count || ca->orders[number - 1].is_forgotten)
		return false;
	struct fake_order *order = &ca->orders[number - 1];
	if (order->status != FAKE_VALID && chance_one_in(ca->public.mishaps.forgotten)) {
		order->is_forgotten = true;
		ca->public.forgotten_orders++;
		return false;
	}
	order_age(ca, order);
	if (strcmp(what, "order") == 0 && ca->public.on_order)
		ca->public.on_order();
	if (strcmp(what, "order") == 0)
		look_note(&ca->public, order);
	if (strcmp(what, "order") == 0)
		order_answer(exchange, number, 200);
	else if (strcmp(what, "authz") == 0)
		authorization_answer(exchange, number);
	else if (strcmp(what, "chall") == 0)
		challenge_take(exchange, number);
	else if (strcmp(what, "finalize") == 0)
		finalize(exchange, number);
	else
		return false;
	return true;
}

/* It is obeyed where that can be, and costs nobody a certificate. */
static void window_distort(enum fake_window window, const struct fake_certificate *about, int64_t *start, int64_t *end)
{
	switch (window) {
	case FAKE_WINDOW_PAST: *start = about->not_before - 30 * FAKE_DAY, *end = *start + FAKE_DAY; break;
	case FAKE_WINDOW_FAR: *start = about->not_after + 300 * FAKE_DAY, *end = *start + FAKE_DAY; break;
	case FAKE_WINDOW_INVERTED: *end = *start - 3600; break;
	case FAKE_WINDOW_WIDE: *start = 1, *end = INT64_C(253402300799); break;
	default: break;
	}
}

void fake_ca_renewal_info(struct fake_exchange *exchange, const char *id)
{
	struct fake_ca_state *ca = exchange->ca;
	AUTO(buf) struct buf serial = BUF_MAX(64);
	const char *dot = strchr(id, '.');
	size_t at = 0;

	if (ca->public.on_renewal_info)
		ca->public.on_renewal_info();
	if (dot && codec_base64url_decode(dot + 1, &serial, NULL) == RC_OK)
		for (size_t i = 1; i < serial.len; i++)
			at = at << 8 | serial.at[i];
	if (at == 0 || at > ca->certificate_count || ca->certificates[at - 1].is_unknown) {
		fake_ca_problem(exchange, 404, "malformed", "it was not issued here");
		return;
	}
	const struct fake_certificate *about = &ca->certificates[at - 1];
	int64_t life = about->not_after - about->not_before;
	int64_t start = about->not_before + life * 2 / 3, end = start + life / 20;

	if (about->not_before + FAKE_BACKDATED < ca->public.wants_back_before) {
		start = about->not_before;
		end = start + 60;
	}
	exchange->status = 200;
	exchange->retry_after = RENEWAL_INFO_AGE;
	window_distort(ca->public.window, about, &start, &end);
	exchange->body = json_pack("{s:{s:o, s:o}}", "suggestedWindow", "start", time_text(start), "end", time_text(end));
}

void fake_ca_forget(unsigned number)
{
	struct fake_ca_state *ca = fake_ca_state_get(number);

	for (size_t i = 0; i < ca->order_count; i++)
		ca->orders[i].is_forgotten = true;
	for (size_t i = 0; i < ca->certificate_count; i++) {
		free(ca->certificates[i].pem);
		ca->certificates[i].pem = NULL;
	}
}

void fake_ca_wipe(unsigned number)
{
	struct fake_ca_state *ca = fake_ca_state_get(number);

	fake_ca_forget(number);
	for (size_t i = 0; i < ca->certificate_count; i++)
		ca->certificates[i].is_unknown = true;
	/* An account that is made anew is another one. */
	for (size_t i = 0; i < ca->account_count; i++)
		ca->accounts[i][0] = '\0';
	ca->name_count = 0;
}

void fake_ca_orders_each(unsigned number, void (*each)(void *ctx, const struct fake_order_view *view), void *ctx)
{
	const struct fake_ca_state *ca = fake_ca_state_get(number);

	for (size_t i = 0; i < ca->order_count; i++) {
		const struct fake_order *order = &ca->orders[i];
		struct fake_order_view view = {
			.ca = number, .name = order->name, .profile = order->profile, .made_at_ms = order->made_at_ms
		};

		snprintf(view.url, sizeof(view.url), "%s/order/%zu", ca->origin, i + 1);
		view.is_open = !order->is_forgotten && !order->is_lapsed && !order->is_fetched && order->status != FAKE_INVALID;
		view.is_answer_lost = order->is_answer_lost;
		view.is_mistold = order->is_mistold;
		each(ctx, &view);
	}
}
