// SPDX-License-Identifier: Apache-2.0
// record: a record's headers, read from librdkafka's message when they are asked for and not before, or from a copy.
#include "record.h"

#include <librdkafka/rdkafka.h>

bool kd_record_header(const kd_record *record, size_t i, kd_header *ret_header)
{
	const kd_record_native *native = record->native;
	rd_kafka_headers_t *headers = NULL;
	if (!native)
		return false;
	if (!native->message)
		return kd_packed_header(native->headers, i, ret_header);
	if (rd_kafka_message_headers(native->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	return rd_kafka_header_get_all(headers, i, &ret_header->name, &ret_header->value, &ret_header->value_size) ==
		RD_KAFKA_RESP_ERR_NO_ERROR;
}
