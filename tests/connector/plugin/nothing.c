/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object that is no plugin. */
#include <kdirect/error.h>

KD_API int kd_nothing(void);

int kd_nothing(void)
{
	return 0;
}
