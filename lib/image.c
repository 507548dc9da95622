// SPDX-License-Identifier: Apache-2.0
// image: what take-over read from the ledger, as a value.
#include <stdlib.h>

#include "kdirect/sink.h"

void kd_ledger_image_done(kd_ledger_image *image)
{
	for (size_t i = 0; i < image->n_segments; i++) {
		free(image->segments[i].topic);
		free(image->segments[i].closed_reason);
	}
	free(image->segments);
	free(image->plans);
	*image = (kd_ledger_image) {0};
}
