/* Any datagrams instead of ptp4l's answers: decoded, gathered and judged, whatever they claim. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock/ptp_view.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	assert(length < size);
	for (size_t i = 0; i < length; i++)
		assert(text[i] >= ' ' && text[i] <= '~');
}

static void check_answer(const struct ptp_answer *answer)
{
	if (answer->refused)
		return;
	if (answer->id == PTP_PORT_PROPERTIES_NP)
		check_line(answer->port_properties.interface, sizeof answer->port_properties.interface);
	/* What counts 2^-16 ns has room for no more. */
	if (answer->id == PTP_CURRENT_DATA_SET)
		assert(llabs(answer->current.path_delay_ns) <= INT64_C(1) << 47);
}

static void check_judgement(const struct ptp_view *view, const struct owamp_clock_source_config *config)
{
	const struct clock_now now = {.mono_ns = 1,
				      .real_ns = INT64_C(1795285844000000000),
				      .tai_utc = config->ptp.domain & 1 ? 37 : 0};
	struct clock_reading reading = {.source = OWAMP_CLOCK_NONE, .drift_ppb = -1};
	struct ptp_measurement measurement;

	ptp_view_judge(view, config, &now, &reading, &measurement);
	check_line(reading.text, sizeof reading.text);
	assert(reading.text[0]);
	assert(reading.state == OWAMP_CLOCK_VALID || reading.state == OWAMP_CLOCK_DOUBTFUL);
	assert(reading.error_ns >= 0 && reading.error_ns <= INT64_MAX / 4);
	if (reading.state != OWAMP_CLOCK_VALID)
		return;
	assert(measurement.port && measurement.ingress_ns > 0 && measurement.fresh_ns > 0);
	assert(measurement.port >= view->ports && measurement.port < view->ports + view->port_count);
	assert(reading.error_ns >= llabs(view->current.path_delay_ns));
	assert(view->properties.time_traceable || view->properties.ptp_timescale);
	assert(view->current.steps_removed < 2 || config->ptp.hop_error_ns > 0);
	assert(!view->properties.ptp_timescale || !view->properties.utc_offset_valid || now.tai_utc == 0 ||
	       view->properties.utc_offset == now.tai_utc);
	assert(ptp_accuracy_ns(view->parent.clock_accuracy) > 0 || config->ptp.accuracy_ns > 0);
}

/* What is configured, and then datagrams, each after its length. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct owamp_clock_source_config config;
	struct ptp_view *view = calloc(1, sizeof *view);
	struct ptp_answer answer;
	uint8_t flags = input_u8(&in);

	assert(view);
	owamp_clock_source_default(&config, OWAMP_CLOCK_KIND_PTP);
	config.ptp.free_running = flags & 1;
	config.ptp.accuracy_ns = flags & 2 ? 1000 : 0;
	config.ptp.hop_error_ns = flags & 4 ? INT64_MAX : flags & 8 ? 0 : 100;
	config.ptp.domain = flags >> 7;
	while (input_left(&in) > 0) {
		size_t length = input_u8(&in);
		uint8_t *datagram;

		if (length > input_left(&in))
			length = input_left(&in);
		datagram = malloc(length + 1);
		assert(datagram);
		input_fill(&in, datagram, length);
		if (ptp_wire_decode(datagram, length, config.ptp.domain, &answer)) {
			check_answer(&answer);
			ptp_view_take(view, &answer);
			assert(answer.refused || answer.id == PTP_PORT_DATA_SET ||
			       answer.id == PTP_PORT_PROPERTIES_NP ||
			       ptp_view_has(view, (enum ptp_id)answer.id));
		}
		free(datagram);
		check_judgement(view, &config);
	}
	assert(view->port_count <= PTP_PORTS_MAX);
	free(view);
	return 0;
}
