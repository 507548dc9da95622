/* SPDX-License-Identifier: Apache-2.0 */
/* A broker behind a fault proxy: see kafka_proxy.h. */
#include "kafka_proxy.h"

#include <stdlib.h>

#include "check.h"
#include "servers.h"
#include "tmpdir.h"

/* The listener PROXIED is reached by the proxy alone, and tells its clients the proxy's port. */
static const char listeners[] =
	"listeners=PLAINTEXT://127.0.0.1:@port@,CONTROLLER://127.0.0.1:@controller@,PROXIED://127.0.0.1:@behind@\n"
	"advertised.listeners=PLAINTEXT://127.0.0.1:@port@,PROXIED://127.0.0.1:@proxy@\n"
	"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT\n"
	"inter.broker.listener.name=PLAINTEXT\n";

char *kt_broker_start(const char *dir)
{
	char *folder = kt_tmpdir(), *more = kt_write_file(folder, "more", "%s", listeners);
	char *direct = kt_server_start("kafka.sh", dir, more);

	free(more);
	kt_tmpdir_remove(folder);
	return direct;
}

static int port(const char *dir, const char *name)
{
	char *path = kt_format("%s/node1/%s", dir, name), *text = kt_read_file(path);
	int number = (int) strtol(text, NULL, 10);

	kt_check(number > 0, "no port in %s", path);
	free(text);
	free(path);
	return number;
}

struct fault_proxy *kt_broker_proxy_open(const char *dir)
{
	const char *why;
	char *target = kt_format("127.0.0.1:%d", port(dir, "behind"));
	struct fault_proxy *proxy = fault_proxy_open(FAULT_PROXY_KAFKA, port(dir, "proxy"), target, &why);

	kt_check(proxy, "could not open a proxy: %s", why);
	free(target);
	return proxy;
}

struct fault_proxy *kt_kafka_proxy_open(kt_job *job, const char *dir, const char *properties, const char *more)
{
	struct fault_proxy *proxy = kt_broker_proxy_open(dir);

	free(job->path);
	job->path = kt_write_file(job->dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"127.0.0.1:%d\"%s%s}, \"topics\": [\"%s\"],\n"
		" \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50},%s%s\n"
		" \"sink\": {%s, \"table\": \"t\"}}\n",
		fault_proxy_port(proxy), properties ? ", " : "", properties ? properties : "", job->topic, more ? more : "",
		more ? "," : "", job->store.sink);
	return proxy;
}
