// SPDX-License-Identifier: Apache-2.0
// file_check: what `kdirect check` tells about the folder.  Changes nothing.
#include <errno.h>
#include <linux/magic.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../common/findings.h"
#include "file_sink.h"

/* The path, or the nearest folder above it that is there: where the first run will make it. */
static char *nearest(const char *path)
{
	char *folder = strdup(path);
	while (folder && access(folder, F_OK) != 0 && errno == ENOENT) {
		char *slash = strrchr(folder, '/');
		if (!slash || slash == folder) {
			strcpy(folder, slash ? "/" : ".");
			break;
		}
		*slash = '\0';
	}
	return folder;
}

static const char *remote_name(long magic)
{
	static const struct {
		long magic;
		const char *name;
	} remote[] = {{NFS_SUPER_MAGIC, "NFS"}, {SMB_SUPER_MAGIC, "SMB"}, {SMB2_SUPER_MAGIC, "SMB"},
		{CIFS_SUPER_MAGIC, "CIFS"}, {FUSE_SUPER_MAGIC, "FUSE"}, {V9FS_MAGIC, "9P"}, {CEPH_SUPER_MAGIC, "Ceph"}};
	for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
		if ((remote[i].magic & 0xffffffff) == (magic & 0xffffffff))
			return remote[i].name;
	return NULL;
}

static void check_folder(const findings *r, const char *path)
{
	char *folder = nearest(path);
	struct statfs fs;
	struct statvfs space;
	if (!folder)
		return;
	if (access(folder, W_OK | X_OK) == 0)
		findings_say(r, KD_FINDING_OK, "folder", strcmp(folder, path) == 0 ? "\"%s\" can be written"
			: "\"%s\" can be written: the first run makes the rest of the path there", folder);
	else
		findings_say(r, KD_FINDING_BAD, "folder", "could not write to \"%s\": %s", folder, strerror(errno));
	const char *remote = statfs(folder, &fs) == 0 ? remote_name((long) fs.f_type) : NULL;
	if (remote)
		findings_say(r, KD_FINDING_NOTE, "folder", "\"%s\" is on %s: flock, rename and fsync must work there as on a local disk "
			"(NFS 4 not mounted \"nolock\" does so); where they do not, two instances are not kept apart", folder, remote);
	if (statvfs(folder, &space) == 0)
		findings_say(r, KD_FINDING_NOTE, "space", "%" PRIu64 " MB are free in \"%s\"",
			(uint64_t) space.f_bavail * space.f_frsize / 1000000, folder);
	free(folder);
}

static void check_ledger(const findings *r, const char *path)
{
	kd_error err = {0};
	file_ledger ledger;
	char *dir;
	if (asprintf(&dir, "%s/_kdirect", path) < 0)
		return;
	kd_code code = file_ledger_init(&ledger, dir, NULL) ? file_ledger_refresh(&ledger, false, &err)
		: file_no_memory(&err);
	if (code)
		findings_say(r, KD_FINDING_BAD, "ledger", "%s", err.message);
	else if (ledger.fd < 0)
		findings_say(r, KD_FINDING_NOTE, "ledger", "there is none yet: the first run makes it");
	else
		findings_say(r, KD_FINDING_OK, "ledger", "version %d, %zu keys", JOURNAL_VERSION, journal_size(ledger.journal));
	file_ledger_done(&ledger);
	free(dir);
}

static void check_shape(const findings *r, const kd_config *config)
{
	kd_error err = {0};
	file_shape shape;
	file_template folders = {0};
	kd_code code = file_shape_init(&shape, config, &err);
	if (!code)
		code = file_template_init(&folders, kd_config_string(config, "sink.folders"), &err);
	if (code)
		findings_say(r, KD_FINDING_BAD, "files", "%s", err.message);
	else
		findings_say(r, KD_FINDING_OK, "files", "%s*.%s, layout %s", folders.text, file_shape_extension(&shape),
			shape.raw ? "raw" : "fields");
	if (!code && !file_shape_has_offsets(&shape))
		findings_say(r, KD_FINDING_NOTE, "files", "rows have no kafka_topic, kafka_partition and kafka_offset: \"audit --deep\" "
			"cannot compare them");
	file_template_done(&folders);
	file_shape_done(&shape);
}

kd_code file_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err)
{
	const findings r = {report, opaque};
	const char *path = kd_config_string(context->config, "sink.path");
	(void) err;
	check_shape(&r, context->config);
	check_folder(&r, path);
	check_ledger(&r, path);
	return KD_OK;
}

kd_code file_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err)
{
	(void) context;
	return kd_buf_printf(out, "-- the file sink needs no SQL: it makes its folders, with the rights of who runs it\n")
		? KD_OK : file_no_memory(err);
}
