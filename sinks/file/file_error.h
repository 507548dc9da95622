/* SPDX-License-Identifier: Apache-2.0 */
/* file_error: what an errno means to the engine, by where it was met.  By table; an errno that is not in it is STOP. */
#ifndef KD_FILE_ERROR_H
#define KD_FILE_ERROR_H

#include <kdirect/error.h>

typedef enum file_phase {
	FILE_IN_LEDGER, /* nothing happened: RETRY */
	FILE_IN_DATA,   /* the data transaction is gone: REPLAY */
	FILE_IN_DOUBT   /* after a commit point, or where it may have been reached: RESOLVE */
} file_phase;

void file_error_judge(int number, file_phase phase, kd_code *ret_code, kd_action *ret_action);

/* Fills err with the message and strerror(number). */
kd_code file_error_set(kd_error *err, int number, file_phase phase, const char *format, ...) KD_PRINTF(4, 5);

#endif
