/* Calls the sink as the library does, twice over as after a crash, and looks at the folder.  Needs no server. */
#include <kdirect/kdirect.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sink.h"

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "@NAME@: %s\n", what);
	exit(1);
}

static kd_put put_of(int64_t offset, const char *key, const char *value)
{
	return (kd_put){.version = offset, .timestamp_ms = -1, .key = key, .key_size = strlen(key), .value = value,
		.value_size = value ? strlen(value) : 0, .table = "", .identifier = ""};
}

static void land(void *opened)
{
	const kd_put puts[] = {put_of(0, "a", "1"), put_of(1, "b/c", "2"), put_of(2, "a", "3"), put_of(3, "b/c", NULL)};
	const kd_batch_partition batch = {.job = "test", .topic = "orders", .range = {0, 4}};
	kd_error err = {0};
	void *session;

	must(sink.connect(opened, &session, &err) == KD_OK, err.message);
	must(sink.put(session, &batch, puts, sizeof puts / sizeof puts[0], &err) == KD_OK, err.message);
	must(!sink.flush || sink.flush(session, &err) == KD_OK, err.message);
	sink.disconnect(session);
}

int main(void)
{
	char folder[] = "/tmp/@NAME@.XXXXXX", text[8] = "";
	const kd_options tables = {sink.options, sink.n_options};
	kd_config *config = kd_config_new(&tables, 1);
	kd_sink_context context = {.config = config};
	kd_error err = {0};
	const char *target;
	void *opened;

	must(config && mkdtemp(folder) && chdir(folder) == 0, "no folder");
	must(kd_config_set(config, "sink.folder", folder, &err) == KD_OK, err.message);
	must(kd_config_set(config, "sink.type", sink.name, &err) == KD_OK, err.message);
	must(kd_config_set(config, "job", "test", &err) == KD_OK, err.message);
	must(kd_config_set(config, "topics", "[\"orders\"]", &err) == KD_OK, err.message);
	must(kd_config_set(config, "kafka", "{\"bootstrap.servers\": \"none\"}", &err) == KD_OK, err.message);
	must(kd_config_check(config, NULL, NULL, &err) == KD_OK, err.message);
	must(sink.open(&context, &opened, &target, &err) == KD_OK, err.message);
	land(opened);
	land(opened);
	sink.close(opened);

	FILE *file = fopen("a", "r");
	must(file && fgets(text, sizeof text, file) && strcmp(text, "3") == 0, "the last put of a key does not stand");
	fclose(file);
	must(access("b%2Fc", F_OK) < 0, "a put without a value does not delete");
	must(unlink("a") == 0 && rmdir(folder) == 0, "something is left in the folder");
	kd_config_free(config);
	printf("@NAME@: as expected\n");
	return 0;
}
