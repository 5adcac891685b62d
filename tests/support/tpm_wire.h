/*
 * tpm_wire.h -- what went over the wire to a TPM: commands counted, objects followed, bytes searched.
 *
 * The token is opened with the TCTI string "pcap:..." (libtss2-tcti-pcap), which writes each command and each answer to
 * the file that TCTI_PCAP_FILE names; wire_load() reads that file.
 */
#ifndef HWA_TEST_TPM_WIRE_H
#define HWA_TEST_TPM_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_COMMANDS_MAX 4096
#define WIRE_HEADERS      40u /* the IP and TCP headers that pcap invents */
#define WIRE_PACKET       6u  /* pcapng: enhanced packet block */

struct wire_command {
	uint32_t code, answer; /* TPM_CC, TPM_RC */
	const uint8_t *sent, *got;
	size_t sent_len, got_len;
};

struct wire {
	uint8_t *bytes;
	size_t len;
	struct wire_command commands[WIRE_COMMANDS_MAX];
	unsigned count;
};

static inline uint32_t wire_number(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void wire_free(struct wire *wire)
{
	free(wire->bytes);
	free(wire);
}

/* NULL when there is no such file, or it is none of pcapng's. */
static inline struct wire *wire_load(const char *path)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	FILE *file = fopen(path, "rb");
	bool is_answer = false;

	if (!wire || !file)
		return NULL;
	fseek(file, 0, SEEK_END);
	wire->len = (size_t)ftell(file);
	rewind(file);
	wire->bytes = malloc(wire->len + 1);
	if (!wire->bytes || fread(wire->bytes, 1, wire->len, file) != wire->len)
		return NULL;
	fclose(file);
	for (size_t at = 0; at + 12 <= wire->len;) {
		uint32_t head[2], data_len;

		memcpy(head, wire->bytes + at, sizeof(head)); /* block type and length, in the machine's order */
		if (head[1] < 12 || head[1] > wire->len - at)
			return NULL;
		if (head[0] == WIRE_PACKET && wire->count < WIRE_COMMANDS_MAX) {
			memcpy(&data_len, wire->bytes + at + 20, sizeof(data_len));
			const uint8_t *data = wire->bytes + at + 28 + WIRE_HEADERS;
			size_t len = data_len - WIRE_HEADERS;
			struct wire_command *command = &wire->commands[wire->count];

			if (is_answer) {
				command->answer = wire_number(data + 6);
				command->got = data;
				command->got_len = len;
				wire->count++;
			} else {
				*command = (struct wire_command){ .code = wire_number(data + 6), .sent = data, .sent_len = len };
			}
			is_answer = !is_answer;
		}
		at += head[1];
	}
	return wire;
}

static inline bool wire_contains(const struct wire *wire, const void *bytes, size_t len)
{
	return memmem(wire->bytes, wire->len, bytes, len) != NULL;
}

/* What was in the TPM at once at most, by what these commands loaded and flushed; and what is there at the end. */
struct wire_load {
	unsigned objects, sessions, most_objects, most_sessions;
};

static inline void wire_follow(struct wire_load *load, uint32_t handle, int change)
{
	unsigned *count = handle >> 24 == 0x80 ? &load->objects : &load->sessions;

	if (handle >> 24 != 0x80 && handle >> 24 != 0x02 && handle >> 24 != 0x03)
		return;
	*count += (unsigned)change;
	if (load->objects > load->most_objects)
		load->most_objects = load->objects;
	if (load->sessions > load->most_sessions)
		load->most_sessions = load->sessions;
}

/* A command with one handle ends its session when the session's continueSession is clear. */
static inline void wire_follow_session(struct wire_load *load, const struct wire_command *command)
{
	const uint8_t *session = command->sent + 18;

	if (command->sent_len < 28 || command->sent[0] != 0x80 || command->sent[1] != 0x02)
		return;
	size_t nonce = (size_t)session[4] << 8 | session[5];
	if ((session[0] == 0x02 || session[0] == 0x03) && !(session[6 + nonce] & 1))
		wire_follow(load, wire_number(session), -1);
}

static inline struct wire_load wire_most_loaded(const struct wire *wire)
{
	enum { CREATE_PRIMARY = 0x131, LOAD = 0x157, CONTEXT_LOAD = 0x161, FLUSH = 0x165, START_SESSION = 0x176 };
	struct wire_load load = { 0 };

	for (unsigned i = 0; i < wire->count; i++) {
		const struct wire_command *command = &wire->commands[i];

		if (command->answer != 0)
			continue;
		wire_follow_session(&load, command);
		if (command->code == FLUSH)
			wire_follow(&load, wire_number(command->sent + 10), -1);
		if (command->code == CREATE_PRIMARY || command->code == LOAD || command->code == CONTEXT_LOAD ||
		    command->code == START_SESSION)
			wire_follow(&load, wire_number(command->got + 10), 1);
	}
	return load;
}

#endif /* HWA_TEST_TPM_WIRE_H */
