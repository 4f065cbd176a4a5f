/* SPDX-License-Identifier: BSD-3-Clause
 *
 * note - what the form of a value has no place for, in a way that other servers pass over: a text
 * of words, each as "LENGTH:BYTES". In an RDB file it is an aux field before the key, in the AOF
 * and in the replication stream the argument of an ECHO, which changes nothing anywhere else.
 */
#ifndef STET_STORAGE_NOTE_H
#define STET_STORAGE_NOTE_H

#include "storage/base/bytes.h"

#define NOTE_NAME "stet-note"
enum { NOTE_WORDS = 8 };

/* Appends the note of these words. */
void note_build(struct bytes *out, const struct slice *words, int n);

/* How many words the text has, of NOTE_WORDS at the most; 0: it is no note. */
int note_words(struct slice text, struct slice words[NOTE_WORDS]);

#endif
