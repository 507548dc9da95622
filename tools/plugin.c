/* SPDX-License-Identifier: Apache-2.0 */
/* plugin: see plugin.h.  The file is opened first, then judged, then loaded through its descriptor: what was judged is
 * what is loaded, whatever happens to the path meanwhile.  A descriptor stays open as long as the program, since the
 * loader knows an object by the name that it was loaded by, which is the descriptor's. */
#include "plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin_trust.h"

typedef const kd_plugin *entry_fn(void);

static kd_code refuse(const char *path, const char *why, kd_error *err)
{
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not load the plugin \"%s\": %s", path, why);
}

/* The loader's words without its name of the file; one line. */
static const char *loader_says(const char *name)
{
	const char *text = dlerror();
	size_t size = strlen(name);

	if (!text)
		return "the loader gives no reason";
	return strncmp(text, name, size) == 0 && text[size] == ':' ? text + size + 1 + strspn(text + size + 1, " ") : text;
}

static kd_code add_parts(struct parts *parts, const char *path, void *object, kd_error *err)
{
	entry_fn *entry;
	const kd_plugin *plugin;
	char *origin = NULL;

	*(void **) &entry = dlsym(object, "kd_plugin_entry");
	if (!entry)
		return refuse(path, "it defines no function kd_plugin_entry", err);
	if (!(plugin = entry()))
		return refuse(path, "its kd_plugin_entry returned nothing", err);
	if (plugin->abi != KD_PLUGIN_ABI)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not load the plugin \"%s\": it was built for another kdirect "
			"(plugin abi %u, not %u): build it again", path, (unsigned) plugin->abi, KD_PLUGIN_ABI);
	if (asprintf(&origin, "plugin \"%s\"", path) < 0)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	kd_code code = parts_add(parts, &plugin->parts, origin, err);
	free(origin);
	return code;
}

/* Closes fd where it was not loaded. */
static kd_code load(struct parts *parts, const char *path, int fd, kd_error *err)
{
	char name[64];
	void *object;
	kd_code code;

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (object)
		return add_parts(parts, path, object, err);
	code = refuse(path, loader_says(name), err);
	close(fd);
	return code;
}

/* The path from the root, which the caller frees; false (errno) without memory or a current folder. */
static bool make_paths(const char *path, const char *folder, char **ret_absolute)
{
	char here[4096] = "";

	if (path[0] == '/')
		return (*ret_absolute = strdup(path)) != NULL;
	if (folder[0] != '/' && !getcwd(here, sizeof here))
		return false;
	if (asprintf(ret_absolute, "%s%s%s/%s", here, here[0] ? "/" : "", folder, path) >= 0)
		return true;
	*ret_absolute = NULL;
	return false;
}

kd_code plugin_load(struct parts *parts, const char *path, const char *folder, kd_error *err)
{
	char *absolute = NULL;
	kd_code code;

	if (!make_paths(path, folder, &absolute))
		return refuse(path, strerror(errno), err);
	int fd = open(absolute, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for its writer */
	if (fd < 0) {
		code = refuse(path, strerror(errno), err);
	} else if ((code = plugin_trust(fd, absolute, err))) {
		kd_error_prefix(err, "plugin \"%s\"", path);
		close(fd);
	} else {
		code = load(parts, path, fd, err);
	}
	free(absolute);
	return code;
}
