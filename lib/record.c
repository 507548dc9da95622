// SPDX-License-Identifier: Apache-2.0
// record: a record's headers, read from librdkafka's message when they are asked for and not before.
#include <librdkafka/rdkafka.h>

#include "kdirect/types.h"

bool kd_record_header(const kd_record *record, size_t i, kd_header *ret_header)
{
	rd_kafka_headers_t *headers = NULL;
	if (!record->native || rd_kafka_message_headers(record->native, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	return rd_kafka_header_get_all(headers, i, &ret_header->name, &ret_header->value, &ret_header->value_size) ==
		RD_KAFKA_RESP_ERR_NO_ERROR;
}
