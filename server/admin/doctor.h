/* SPDX-License-Identifier: BSD-3-Clause
 *
 * doctor - DOCTOR, MEMORY DOCTOR, LATENCY DOCTOR: what an operator asks, answered in words with the
 * figures, the cause and the parameter to change.
 *
 * Each function appends lines of text: first the figures, then a line "- ..." for each finding. Of
 * commands and clients only names, addresses and numbers are told, no arguments.
 */
#ifndef STET_ADMIN_DOCTOR_H
#define STET_ADMIN_DOCTOR_H

#include "server/exec/engine.h"

/* What would a crash lose now? doctor_safety.c */
void doctor_safety(struct engine *e, struct bytes *out);

/* Why is memory high? doctor_memory.c */
void doctor_memory(struct engine *e, struct bytes *out);

/* What writes so much? doctor.c */
void doctor_writes(struct engine *e, struct bytes *out);

/* Why was it slow? doctor_latency.c */
void doctor_latency(struct engine *e, struct bytes *out);

/* "1.50M" */
void doctor_size(struct bytes *out, uint64_t bytes);

#endif
