/* SPDX-License-Identifier: Apache-2.0 */
/* webhook: records into an HTTP service that stores by key: PUT <url>/<key> with the record's value, DELETE for a null
 * value.  Each request says how new it is (X-Version) and which record it is (X-Identifier).
 *
 * What this can promise, and what not, stands in <kdirect/keyed.h>.  The service must replace what it holds under a
 * key; where it answers 409 or 412, "I hold a newer version", that is as good as done. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include <kdirect/connector.h>
#include <kdirect/keyed.h>

static const kd_option options[] = {
	{.key = "sink.url", .type = KD_OPT_STRING, .required = true, .help = "Where keys live: key K is put to url/K."},
	{.key = "sink.authorization", .type = KD_OPT_STRING, .secret = true,
	 .help = "What every request says in its header Authorization, such as Bearer TOKEN."},
	{.key = "sink.timeout_ms", .type = KD_OPT_INT, .default_value = "30000", .min = 1, .max = 3600000,
	 .help = "Milliseconds that a request may take."},
};

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
}

/* ---- the sink ---- */

/* The configuration is all that a sink of this kind is: the service is asked when there is something to put. */
static kd_code open_sink(const kd_sink_context *context, void **ret_sink, const char **ret_target, kd_error *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return no_memory(err);
	*ret_sink = (void *) context->config;
	*ret_target = kd_config_string(context->config, "sink.url");
	return KD_OK;
}

static void close_sink(void *sink)
{
	if (sink)
		curl_global_cleanup();
}

/* ---- a session: one connection that is kept ---- */

struct session {
	const kd_config *config;
	CURL *curl;
	const kd_put *put; /* what is being sent */
	atomic_bool interrupted;
	char why[CURL_ERROR_SIZE];
};

static void disconnect_session(void *of_session)
{
	struct session *session = of_session;

	if (session)
		curl_easy_cleanup(session->curl);
	free(session);
}

static kd_code connect_session(void *sink, void **ret_session, kd_error *err)
{
	struct session *session = calloc(1, sizeof *session);

	if (!session || !(session->curl = curl_easy_init())) {
		free(session);
		return no_memory(err);
	}
	session->config = sink;
	*ret_session = session;
	return KD_OK;
}

/* The job is being stopped: the request that runs, or the next, ends within a second. */
static void interrupt_session(void *of_session)
{
	struct session *session = of_session;

	atomic_store(&session->interrupted, true);
}

static int ask_whether_to_end(void *of_session, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct session *session = of_session;

	(void) a, (void) b, (void) c, (void) d;
	return atomic_load(&session->interrupted);
}

/* ---- a request ---- */

/* What the service says is not needed, but its code. */
static size_t ignore_answer(char *text, size_t size, size_t n, void *opaque)
{
	(void) text, (void) opaque;
	return size * n;
}

/* A header without a value takes one of curl's own off. */
static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	kd_buf line = {0};
	struct curl_slist *longer = NULL;

	if (kd_buf_printf(&line, "%s:%s%s", name, *value ? " " : "", value) && kd_buf_append(&line, "", 1))
		longer = curl_slist_append(*list, line.data);
	if (longer)
		*list = longer;
	kd_buf_done(&line);
	return longer != NULL;
}

static bool add_headers(struct curl_slist **list, const struct session *session)
{
	const char *who = kd_config_string(session->config, "sink.authorization");
	char version[24];

	snprintf(version, sizeof version, "%" PRId64, session->put->version);
	return add_header(list, "X-Version", version) && add_header(list, "X-Identifier", session->put->identifier) &&
		add_header(list, "Content-Type", "application/octet-stream") && add_header(list, "Expect", "") &&
		(!who || add_header(list, "Authorization", who));
}

static bool add_url(kd_buf *url, const struct session *session)
{
	const kd_put *put = session->put;
	char *key = put->key_size ? curl_easy_escape(session->curl, put->key, (int) put->key_size) : NULL;
	bool ok = (key || !put->key_size) &&
		kd_buf_printf(url, "%s/%s", kd_config_string(session->config, "sink.url"), key ? key : "") &&
		kd_buf_append(url, "", 1);

	curl_free(key);
	return ok;
}

static CURLcode request(struct session *session, const char *url, struct curl_slist *headers)
{
	CURL *curl = session->curl;

	curl_easy_reset(curl); /* keeps the connection */
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, session->why);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) kd_config_int(session->config, "sink.timeout_ms"));
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_answer);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_whether_to_end);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, session);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, session->put->value ? "PUT" : "DELETE");
	if (session->put->value) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) session->put->value_size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, session->put->value);
	}
	session->why[0] = '\0';
	return curl_easy_perform(curl);
}

/* What the service's answer means.  What may heal is repeated; what is wrong with this one record is said to be so. */
static kd_code judge(const struct session *session, long status, kd_error *err)
{
	bool gone = status == 404 && !session->put->value;

	if ((status >= 200 && status < 300) || status == 409 || status == 412 || gone)
		return KD_OK;
	if (status == 400 || status == 413 || status == 422)
		return kd_error_set(err, KD_ERECORD, KD_STOP, "the service refused the record with HTTP %ld", status);
	if (status >= 500 || status == 408 || status == 425 || status == 429)
		return kd_error_set(err, KD_ESINK, KD_RETRY, "the service answered HTTP %ld", status);
	return kd_error_set(err, KD_ESINK, KD_STOP, "the service answered HTTP %ld", status);
}

static kd_code send_one(struct session *session, const char *url, struct curl_slist *headers, kd_error *err)
{
	CURLcode sent = request(session, url, headers);
	long status = 0;

	if (sent)
		return kd_error_set(err, KD_ESINK, KD_RETRY, "could not reach \"%s\": %s", url,
			session->why[0] ? session->why : curl_easy_strerror(sent));
	curl_easy_getinfo(session->curl, CURLINFO_RESPONSE_CODE, &status);
	return judge(session, status, err);
}

static kd_code put_one(struct session *session, kd_error *err)
{
	struct curl_slist *headers = NULL;
	kd_buf url = {0};
	bool ready = add_url(&url, session) && add_headers(&headers, session);
	kd_code code = ready ? send_one(session, url.data, headers, err) : no_memory(err);

	curl_slist_free_all(headers);
	kd_buf_done(&url);
	return code;
}

static kd_code put(void *of_session, const kd_batch_partition *batch, const kd_put *puts, size_t n, kd_error *err)
{
	struct session *session = of_session;
	kd_code code = KD_OK;

	(void) batch;
	for (size_t i = 0; !code && i < n; i++) {
		session->put = &puts[i];
		code = put_one(session, err);
		if (code)
			err->row = (int64_t) i + 1;
	}
	return code;
}

static const kd_keyed_ops webhook = {
	.abi = KD_KEYED_ABI,
	.name = "webhook",
	.summary = "an HTTP service that stores by key: PUT url/key",
	.options = options,
	.n_options = sizeof options / sizeof options[0],
	.by = KD_KEYED_BY_RECORD,
	.open = open_sink,
	.close = close_sink,
	.connect = connect_session,
	.disconnect = disconnect_session,
	.put = put,
	.interrupt = interrupt_session,
};

int main(int argc, char **argv)
{
	const kd_sink_ops *const sinks[] = {kd_keyed_sink(&webhook), NULL};
	const kd_connector connector = {
		.abi = KD_CONNECTOR_ABI,
		.name = "webhook",
		.version = "1.0",
		.summary = "records into an HTTP service that stores by key",
		.parts = {.sinks = sinks},
	};

	return kd_connector_main(&connector, argc, argv);
}
