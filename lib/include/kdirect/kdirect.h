/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/kdirect.h: everything.  A job in a few lines:
 *
 *     kd_error err = {0};
 *     kd_options options_of_sink = {sink->options, sink->n_options};
 *     kd_config *config = kd_config_new(&options_of_sink, 1);
 *     if (kd_config_load(config, "orders.json", report, NULL, &err) == KD_OK &&
 *         kd_config_check(config, report, NULL, &err) == KD_OK) {
 *             kd_job_options options = {.log = {.fn = print_line, .level = KD_LOG_INFO}};
 *             kd_job *job = NULL;
 *             if (kd_job_new(config, sink, &options, &job, &err) == KD_OK)
 *                     (void) kd_job_run(job, &err);
 *             kd_job_free(job);
 *     }
 *     if (err.code)
 *             fprintf(stderr, "%s\n", err.message);
 *     kd_config_free(config);
 *     return kd_exit_code(err.code, &err);
 */
#ifndef KDIRECT_KDIRECT_H
#define KDIRECT_KDIRECT_H

#include "kdirect/config.h"
#include "kdirect/error.h"
#include "kdirect/job.h"
#include "kdirect/json.h"
#include "kdirect/kafka.h"
#include "kdirect/log.h"
#include "kdirect/row.h"
#include "kdirect/sink.h"
#include "kdirect/transform.h"
#include "kdirect/types.h"

#endif
