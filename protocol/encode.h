/* SPDX-License-Identifier: BSD-3-Clause
 *
 * encode - a command in RESP, as in requests and in the AOF: an array of bulk strings.
 */
#ifndef STET_PROTOCOL_ENCODE_H
#define STET_PROTOCOL_ENCODE_H

#include "storage/base/bytes.h"

/* The head of a command of argc arguments; exactly that many encode_arg() follow. */
void encode_head(struct bytes *b, size_t argc);
void encode_arg(struct bytes *b, struct slice arg);

/* A whole command. */
void encode_command(struct bytes *b, size_t argc, const struct slice *argv);

#endif
