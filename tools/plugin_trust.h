/* SPDX-License-Identifier: Apache-2.0 */
/* plugin_trust: may this file's code run as the user who runs the program?
 *
 * Yes where nobody but root, that user, and the user's own primary group can change it or put another file in its
 * place: the file and each folder above it belong to root or the user, and are not writable by others or by another
 * group.  A sticky folder, such as /tmp, may be writable: nobody can take another's file away there.  The folders are
 * those of the path as it is given and those of the file that it leads to, which differ where there is a symbolic link.
 * Access control lists are not looked at: the mode's group bits are their mask. */
#ifndef TOOLS_PLUGIN_TRUST_H
#define TOOLS_PLUGIN_TRUST_H

#include <kdirect/error.h>

/* fd: the open file.  path: how it was opened, absolute.  KD_ECONFIG with the reason: the path, its mode, and the
 * command that heals it. */
kd_code plugin_trust(int fd, const char *path, kd_error *err) KD_CHECK;

#endif
