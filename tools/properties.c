/* SPDX-License-Identifier: Apache-2.0 */
/* properties: see properties.h. */
#include "properties.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kd_code add(struct properties *properties, const char *name, size_t name_size, const char *value,
	kd_error *err)
{
	char **names = realloc(properties->names, (properties->n + 1) * sizeof *names);
	char **values;

	if (names)
		properties->names = names;
	values = realloc(properties->values, (properties->n + 1) * sizeof *values);
	if (values)
		properties->values = values;
	if (!names || !values)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	names[properties->n] = strndup(name, name_size);
	values[properties->n] = strdup(value);
	properties->n++;
	if (!names[properties->n - 1] || !values[properties->n - 1])
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	return KD_OK;
}

/* "name = value", blanks around both left out. */
static kd_code add_pair(struct properties *properties, char *text, const char *where, kd_error *err)
{
	char *equals = strchr(text, '=');
	char *name = text + strspn(text, " \t"), *value, *end;

	if (!equals || equals == name)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "%s: not of the form name=value", where);
	for (end = equals; end > name && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	value = equals + 1 + strspn(equals + 1, " \t");
	value[strcspn(value, "\r\n")] = '\0';
	return add(properties, name, (size_t) (end - name), value, err);
}

static kd_code add_file(struct properties *properties, const char *path, kd_error *err)
{
	FILE *file = fopen(path, "r");
	char *line = NULL, where[512];
	size_t capacity = 0;
	kd_code code = KD_OK;

	if (!file)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not open \"%s\": %s", path, strerror(errno));
	for (int number = 1; !code && getline(&line, &capacity, file) >= 0; number++) {
		const char *first = line + strspn(line, " \t\r\n");

		if (*first == '\0' || *first == '#')
			continue;
		snprintf(where, sizeof where, "%s:%d", path, number);
		code = add_pair(properties, line, where, err);
	}
	if (!code && ferror(file))
		code = kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read \"%s\": %s", path, strerror(errno));
	free(line);
	fclose(file);
	return code;
}

static kd_code add_argument(struct properties *properties, const char *text, kd_error *err)
{
	char *copy = strdup(text);
	kd_code code;

	if (!copy)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	code = add_pair(properties, copy, "-X", err);
	free(copy);
	return code;
}

kd_code properties_collect(const struct args *args, struct properties *ret, kd_error *err)
{
	kd_code code = KD_OK;

	*ret = (struct properties){0};
	for (size_t i = 0; !code && i < args->property_files.n; i++)
		code = add_file(ret, args->property_files.items[i], err);
	for (size_t i = 0; !code && i < args->properties.n; i++)
		code = add_argument(ret, args->properties.items[i], err);
	if (!code && args->bootstrap)
		code = add(ret, "bootstrap.servers", strlen("bootstrap.servers"), args->bootstrap, err);
	if (code)
		properties_free(ret);
	return code;
}

void properties_free(struct properties *properties)
{
	for (size_t i = 0; i < properties->n; i++) {
		free(properties->names[i]);
		free(properties->values[i]);
	}
	free(properties->names);
	free(properties->values);
	*properties = (struct properties){0};
}
