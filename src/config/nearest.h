/* nearest.h -- which known word was probably meant. */
#ifndef HWA_NEAREST_H
#define HWA_NEAREST_H

/* The word at most two edits away from `word`; NULL when none is near. */
const char *nearest_word(const char *word, const char *const *known, unsigned count);

#endif /* HWA_NEAREST_H */
