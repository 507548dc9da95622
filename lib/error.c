// SPDX-License-Identifier: Apache-2.0
// error: fills the caller's kd_error.  The first error wins, so that clean-up on the way out cannot hide the cause.
#include "kdirect/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

kd_code kd_error_set(kd_error *err, kd_code code, kd_action action, const char *format, ...)
{
	if (!err || err->code)
		return code;
	err->code = code;
	err->action = action;
	va_list args;
	va_start(args, format);
	vsnprintf(err->message, sizeof err->message, format, args);
	va_end(args);
	for (char *p = err->message; *p; p++)
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
	for (size_t n = strlen(err->message); n > 0 && err->message[n - 1] == ' '; n--)
		err->message[n - 1] = '\0';
	return code;
}

kd_code kd_error_prefix(kd_error *err, const char *format, ...)
{
	if (!err)
		return KD_OK;
	char prefix[sizeof err->message];
	va_list args;
	va_start(args, format);
	vsnprintf(prefix, sizeof prefix - 3, format, args);
	va_end(args);
	strcat(prefix, ": ");
	size_t n = strlen(prefix), most = sizeof err->message - n - 1;
	size_t kept = strnlen(err->message, most);
	memmove(err->message + n, err->message, kept);
	memcpy(err->message, prefix, n);
	err->message[n + kept] = '\0';
	return err->code;
}

kd_code kd_error_explain(kd_error *err, kd_code code, const char *kind, const char *name)
{
	if (code == KD_OK || !err)
		return code;
	kd_error_set(err, code, KD_STOP, "%s \"%s\" failed with %s and gave no reason", kind, name, kd_code_name(code));
	return err->code;
}

void kd_error_clear(kd_error *err)
{
	if (err)
		*err = (kd_error) {0};
}

const char *kd_code_name(kd_code code)
{
	switch (code) {
	case KD_OK: return "KD_OK";
	case KD_ENOMEM: return "KD_ENOMEM";
	case KD_EINVAL: return "KD_EINVAL";
	case KD_ECONFIG: return "KD_ECONFIG";
	case KD_EIO: return "KD_EIO";
	case KD_ELEDGER: return "KD_ELEDGER";
	case KD_ELOSS: return "KD_ELOSS";
	case KD_EFENCED: return "KD_EFENCED";
	case KD_EBROKER: return "KD_EBROKER";
	case KD_ESINK: return "KD_ESINK";
	case KD_ERECORD: return "KD_ERECORD";
	case KD_ETARGET: return "KD_ETARGET";
	case KD_EWENTBACK: return "KD_EWENTBACK";
	case KD_ESTOPPED: return "KD_ESTOPPED";
	case KD_EBUSY: return "KD_EBUSY";
	}
	return "?";
}

const char *kd_action_name(kd_action action)
{
	switch (action) {
	case KD_STOP: return "STOP";
	case KD_RETRY: return "RETRY";
	case KD_REPLAY: return "REPLAY";
	case KD_RESOLVE: return "RESOLVE";
	}
	return "?";
}
