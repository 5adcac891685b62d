/*
 * scope.h -- cleanup that cannot be forgotten, and ownership that visibly moves.
 *
 * AUTO(noun) in front of a variable runs the noun's free function when the scope
 * ends; TAKE(variable) hands the value on and leaves NULL behind:
 *
 *	AUTO(token_key) struct token_key *key = NULL;
 *	...
 *	*ret_key = TAKE(key);
 */
#ifndef HWA_SCOPE_H
#define HWA_SCOPE_H

#include <stdlib.h>

#define AUTO(noun) __attribute__((cleanup(auto_##noun)))

/* Makes AUTO(noun) usable for variables of `type`, which may be NULL. */
#define AUTO_DEFINE(noun, type, free_fn)         \
	static inline void auto_##noun(type *at) \
	{                                        \
		if (*at)                         \
			free_fn(*at);            \
	}                                        \
	struct auto_##noun##_needs_a_semicolon

/* The same for structs held by value, whose free function takes a pointer. */
#define AUTO_DEFINE_VALUE(noun, type, free_fn)   \
	static inline void auto_##noun(type *at) \
	{                                        \
		free_fn(at);                     \
	}                                        \
	struct auto_##noun##_needs_a_semicolon

#define TAKE(variable)                                    \
	({                                                \
		__typeof__(variable) taken_ = (variable); \
		(variable) = NULL;                        \
		taken_;                                   \
	})

AUTO_DEFINE(text, char *, free);
AUTO_DEFINE(text_list, char **, free); /* the list, not the strings */

#endif /* HWA_SCOPE_H */
