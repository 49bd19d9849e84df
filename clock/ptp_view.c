#include "ptp_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)

/* ptp4l's utc_offset, if nobody configured another: it goes by that where the grandmaster is not traceable.
 */
#define LINUXPTP_UTC_OFFSET 37

/* A Sync is missing if none has come for so many of its intervals, and for this time. */
#define SYNCS_MISSED   4
#define FRESH_LEAST_NS (4 * SECOND_NS)
#define LOG_SYNC_MOST  7

/* 73 years: an error is not told to be larger, an offset that is is nonsense. Three of them fit an int64_t.
 */
#define MOST_NS (INT64_MAX / 4)

#define ACCURACY_ABOVE_10_S 0x31

/* Nobody's clock is that near to TAI by chance. */
#define CONFUSION_NS   1000000
#define CONFUSION_TEXT 120

static struct ptp_port *port_of(struct ptp_view *view, uint16_t number)
{
	for (size_t i = 0; i < view->port_count; i++) {
		if (view->ports[i].number == number)
			return &view->ports[i];
	}
	if (view->port_count == PTP_PORTS_MAX)
		return NULL;
	view->ports[view->port_count] = (struct ptp_port){.number = number};
	return &view->ports[view->port_count++];
}

static void take_port_data(struct ptp_view *view, const struct ptp_port_data *data)
{
	struct ptp_port *port = port_of(view, data->number);

	if (port) {
		port->has_data = true;
		port->data = *data;
	}
}

static void take_port_properties(struct ptp_view *view, const struct ptp_port_properties *properties)
{
	struct ptp_port *port = port_of(view, properties->number);

	if (port) {
		port->has_properties = true;
		port->properties = *properties;
	}
}

void ptp_view_take(struct ptp_view *view, const struct ptp_answer *answer)
{
	if (answer->refused) {
		if (answer->id == PTP_PORT_PROPERTIES_NP)
			view->refused_port_properties = true;
		else
			view->refused = answer->id;
		return;
	}
	switch ((enum ptp_id)answer->id) {
	case PTP_DEFAULT_DATA_SET:
		view->has_defaults = true;
		view->defaults = answer->defaults;
		break;
	case PTP_CURRENT_DATA_SET:
		view->has_current = true;
		view->current = answer->current;
		break;
	case PTP_PARENT_DATA_SET:
		view->has_parent = true;
		view->parent = answer->parent;
		break;
	case PTP_TIME_PROPERTIES_DATA_SET:
		view->has_properties = true;
		view->properties = answer->properties;
		break;
	case PTP_PORT_DATA_SET:
		take_port_data(view, &answer->port);
		break;
	case PTP_TIME_STATUS_NP:
		view->has_status = true;
		view->status = answer->status;
		break;
	case PTP_PORT_PROPERTIES_NP:
		take_port_properties(view, &answer->port_properties);
		break;
	}
}

/* Of as many ports as there are. */
static bool has_ports(const struct ptp_view *view, bool properties)
{
	size_t wanted = view->defaults.ports < PTP_PORTS_MAX ? view->defaults.ports : PTP_PORTS_MAX, had = 0;

	for (size_t i = 0; i < view->port_count; i++)
		had += properties ? view->ports[i].has_properties : view->ports[i].has_data;
	return view->has_defaults && had >= wanted;
}

bool ptp_view_has(const struct ptp_view *view, enum ptp_id id)
{
	switch (id) {
	case PTP_DEFAULT_DATA_SET:
		return view->has_defaults;
	case PTP_CURRENT_DATA_SET:
		return view->has_current;
	case PTP_PARENT_DATA_SET:
		return view->has_parent;
	case PTP_TIME_PROPERTIES_DATA_SET:
		return view->has_properties;
	case PTP_TIME_STATUS_NP:
		return view->has_status;
	case PTP_PORT_DATA_SET:
		return has_ports(view, false);
	case PTP_PORT_PROPERTIES_NP:
		return view->refused_port_properties || has_ports(view, true);
	}
	return false;
}

enum ptp_id ptp_view_missing(const struct ptp_view *view)
{
	static const enum ptp_id all[] = {
		PTP_TIME_STATUS_NP,           PTP_CURRENT_DATA_SET, PTP_PARENT_DATA_SET,
		PTP_TIME_PROPERTIES_DATA_SET, PTP_DEFAULT_DATA_SET, PTP_PORT_DATA_SET,
		PTP_PORT_PROPERTIES_NP,
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (!ptp_view_has(view, all[i]))
			return all[i];
	}
	return (enum ptp_id)0;
}

static const struct ptp_port *port_in(const struct ptp_view *view, uint8_t state)
{
	for (size_t i = 0; i < view->port_count; i++) {
		if (view->ports[i].has_data && view->ports[i].data.state == state)
			return &view->ports[i];
	}
	return NULL;
}

static void doubt(struct clock_reading *reading, const char *why)
{
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	(void)snprintf(reading->text, sizeof reading->text, "%s", why);
}

/* "port 1 (eth0) LISTENING, port 2 FAULTY": as many as there is room for. */
static void list_ports(const struct ptp_view *view, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < view->port_count; i++) {
		const struct ptp_port *port = &view->ports[i];
		bool named = port->has_properties && port->properties.interface[0];
		char one[64];
		int length = snprintf(one, sizeof one, "%sport %u%s%s%s %s", i > 0 ? ", " : "", port->number,
				      named ? " (" : "", named ? port->properties.interface : "",
				      named ? ")" : "", ptp_port_state_name(port->data.state));

		if (used + (size_t)length >= size)
			return;
		memcpy(text + used, one, (size_t)length + 1);
		used += (size_t)length;
	}
}

/* No port measures: why, by the state that says most. */
static const char *why_not(const struct ptp_view *view)
{
	static const struct {
		uint8_t state;
		const char *why;
	} reasons[] = {
		{PTP_UNCALIBRATED, "not locked yet; if ptp4l has free_running: free_running = yes"},
		{PTP_MASTER, "this ptp4l is a master itself: it measures nothing"},
		{PTP_GRAND_MASTER, "this ptp4l is a master itself: it measures nothing"},
		{PTP_LISTENING, "it hears no master"},
		{PTP_PRE_MASTER, "it is about to be a master itself"},
		{PTP_PASSIVE, "it hears a master, but does not follow it"},
		{PTP_INITIALIZING, "ptp4l starts"},
		{PTP_FAULTY, "the link is down, or ptp4l cannot use it"},
	};

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		if (port_in(view, reasons[i].state))
			return reasons[i].why;
	}
	return view->port_count > 0 ? "it measures nothing" : "this ptp4l has no port";
}

static void explain(const struct ptp_view *view, struct clock_reading *reading)
{
	char ports[80];

	list_ports(view, ports, sizeof ports);
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	(void)snprintf(reading->text, sizeof reading->text, "%s%s%s", ports, ports[0] ? ": " : "",
		       why_not(view));
}

static int64_t add(int64_t a, int64_t b)
{
	return a > MOST_NS - b ? MOST_NS : a + b;
}

static int64_t magnitude(int64_t ns)
{
	return ns >= MOST_NS || ns <= -MOST_NS ? MOST_NS : llabs(ns);
}

static int64_t accuracy_of(const struct ptp_view *view, const struct owamp_clock_source_config *config)
{
	int64_t accuracy_ns = ptp_accuracy_ns(view->parent.clock_accuracy);

	if (accuracy_ns == 0 && view->parent.clock_accuracy != ACCURACY_ABOVE_10_S)
		return config->ptp.accuracy_ns;
	return accuracy_ns;
}

static unsigned boundary_clocks(const struct ptp_view *view)
{
	return view->current.steps_removed > 1 ? view->current.steps_removed - 1U : 0;
}

/*
 * The path may be as asymmetric as it is long. Each boundary clock on it is a
 * clock of its own that is off by something.
 */
static int64_t error_of(const struct ptp_view *view, const struct ptp_port *port,
			const struct owamp_clock_source_config *config)
{
	int64_t path_ns = magnitude(view->current.path_delay_ns);
	int64_t peer_ns = magnitude(port->data.peer_delay_ns);
	int64_t boundaries = boundary_clocks(view), hops_ns;

	if (__builtin_mul_overflow(boundaries, config->ptp.hop_error_ns, &hops_ns) || hops_ns > MOST_NS)
		hops_ns = MOST_NS;
	return add(add(path_ns > peer_ns ? path_ns : peer_ns, accuracy_of(view, config)), hops_ns);
}

static bool is_class_trusted(const struct ptp_view *view, const struct owamp_clock_source_config *config)
{
	unsigned class = view->parent.clock_class;

	return config->ptp.classes[class / 64] >> class % 64 & 1;
}

/* Why nobody vouches that the grandmaster's time is UTC; NULL: somebody does. */
static const char *doubt_of_utc(const struct ptp_view *view, const struct owamp_clock_source_config *config)
{
	const struct ptp_properties *properties = &view->properties;

	if (properties->time_traceable)
		return NULL;
	if (!properties->ptp_timescale)
		return "the grandmaster counts a time of its own (ptpTimescale 0) that is not traceable";
	if (!is_class_trusted(view, config))
		return "the grandmaster is not traceable to UTC (timeTraceable 0)";
	return NULL;
}

/* How far the grandmaster's time is ahead of UTC: false if that is not known. */
static bool find_tai_utc(const struct ptp_properties *properties, const struct clock_now *now,
			 int64_t *tai_utc)
{
	*tai_utc = 0;
	if (!properties->ptp_timescale)
		return true;
	*tai_utc = properties->utc_offset_valid ? properties->utc_offset : now->tai_utc;
	return *tai_utc != 0;
}

/* With software stamps ptp4l converts by the grandmaster's TAI - UTC, or by its own if that is not traceable.
 */
static bool converts_rightly(const struct ptp_properties *properties, int64_t tai_utc)
{
	if (!properties->ptp_timescale || (properties->utc_offset_valid && properties->time_traceable))
		return true;
	return tai_utc == LINUXPTP_UTC_OFFSET;
}

/* What this host knows itself is leap_file's, as ptp4l and phc2sys tell the kernel what the grandmaster says.
 */
static bool contradicts_host(const struct ptp_properties *properties, const struct clock_now *now,
			     struct clock_reading *reading)
{
	int32_t known = now->leap_file_tai_utc != 0 ? now->leap_file_tai_utc : now->tai_utc;

	if (!properties->ptp_timescale || !properties->utc_offset_valid || known == 0 ||
	    properties->utc_offset == known)
		return false;
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	(void)snprintf(reading->text, sizeof reading->text,
		       "the grandmaster says TAI-UTC is %d s, this host %d s", (int)properties->utc_offset,
		       (int)known);
	return true;
}

static bool are_hops_known(const struct ptp_view *view, const struct owamp_clock_source_config *config,
			   struct clock_reading *reading)
{
	unsigned boundaries = boundary_clocks(view);

	if (boundaries == 0 || config->ptp.hop_error_ns > 0)
		return true;
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	(void)snprintf(reading->text, sizeof reading->text,
		       "%u boundary clock%s on the way, and nobody says what each adds; "
		       "hop_error = TIME states it",
		       boundaries, boundaries == 1 ? "" : "s");
	return false;
}

static bool is_accuracy_known(const struct ptp_view *view, const struct owamp_clock_source_config *config,
			      struct clock_reading *reading)
{
	if (accuracy_of(view, config) > 0)
		return true;
	doubt(reading,
	      view->parent.clock_accuracy == ACCURACY_ABOVE_10_S
		      ? "the grandmaster says that it is off by more than 10 s"
		      : "the grandmaster does not say how accurate it is; accuracy = TIME states it");
	return false;
}

/* What could make a measurement worthless that was made. */
static void vouch(const struct ptp_view *view, const struct owamp_clock_source_config *config,
		  const struct clock_now *now, const struct ptp_measurement *measurement,
		  struct clock_reading *reading)
{
	const char *why = doubt_of_utc(view, config);
	char id[PTP_CLOCK_ID_TEXT_SIZE];
	const char *interface = measurement->port->properties.interface;

	if (why) {
		doubt(reading, why);
		return;
	}
	if (contradicts_host(&view->properties, now, reading))
		return;
	if (!is_accuracy_known(view, config, reading) || !are_hops_known(view, config, reading))
		return;
	if (!measurement->hardware && !converts_rightly(&view->properties, measurement->tai_utc)) {
		doubt(reading,
		      "the grandmaster's TAI - UTC is not traceable, so ptp4l goes by its own utc_offset");
		return;
	}
	reading->state = OWAMP_CLOCK_VALID;
	(void)snprintf(reading->text, sizeof reading->text,
		       "grandmaster %s, class %u, within %lld ns; path %lld ns, %u step%s; %s%s%s",
		       ptp_clock_id_text(id, view->parent.grandmaster), view->parent.clock_class,
		       (long long)accuracy_of(view, config), (long long)view->current.path_delay_ns,
		       view->current.steps_removed, view->current.steps_removed == 1 ? "" : "s", interface,
		       interface[0] ? " " : "", ptp_port_state_name(measurement->port->data.state));
}

static int64_t fresh_of(const struct ptp_port *port)
{
	int log = port->data.log_sync_interval;
	int64_t interval_ns = log <= 0 ? SECOND_NS : SECOND_NS << (log < LOG_SYNC_MOST ? log : LOG_SYNC_MOST);

	return interval_ns * SYNCS_MISSED > FRESH_LEAST_NS ? interval_ns * SYNCS_MISSED : FRESH_LEAST_NS;
}

static const struct ptp_port *measuring_port(const struct ptp_view *view,
					     const struct owamp_clock_source_config *config)
{
	const struct ptp_port *port = port_in(view, PTP_SLAVE);

	return port || !config->ptp.free_running ? port : port_in(view, PTP_UNCALIBRATED);
}

static void say_leap(const struct ptp_properties *properties, struct clock_reading *reading)
{
	if (!properties->utc_offset_valid)
		return;
	reading->tai_utc = properties->utc_offset;
	reading->leap = properties->leap61 ? 1 : properties->leap59 ? -1 : 0;
}

void ptp_view_judge(const struct ptp_view *view, const struct owamp_clock_source_config *config,
		    const struct clock_now *now, struct clock_reading *reading,
		    struct ptp_measurement *measurement)
{
	const struct ptp_port *port = measuring_port(view, config);

	*measurement = (struct ptp_measurement){.ingress_ns = view->status.ingress_ns,
						.master_offset_ns = view->status.master_offset_ns};
	if (!port) {
		explain(view, reading);
		return;
	}
	if (!port->has_properties || port->properties.timestamping > PTP_P2P_ONE_STEP) {
		doubt(reading, "ptp4l does not say whether it stamps in software (PORT_PROPERTIES_NP)");
		return;
	}
	measurement->hardware = port->properties.timestamping != PTP_SOFTWARE;
	measurement->fresh_ns = fresh_of(port);
	reading->source = measurement->hardware ? OWAMP_CLOCK_PTP_PHC : OWAMP_CLOCK_PTP;
	reading->steers =
		!measurement->hardware && port->data.state == PTP_SLAVE && !config->ptp.free_running;
	say_leap(&view->properties, reading);
	if (measurement->ingress_ns <= 0) {
		doubt(reading, "ptp4l has not measured yet");
		return;
	}
	/* Until there is one, ptp4l computes no offset: the one it tells is 0, or of another master. */
	if (view->current.path_delay_ns == 0 && port->data.peer_delay_ns == 0) {
		doubt(reading, "ptp4l has not measured the path's delay yet");
		return;
	}
	if (magnitude(measurement->master_offset_ns) == MOST_NS) {
		doubt(reading, "ptp4l tells an offset of more than 70 years");
		return;
	}
	if (!find_tai_utc(&view->properties, now, &measurement->tai_utc)) {
		doubt(reading, "TAI - UTC is not known: neither the grandmaster nor the kernel tells it");
		if (measurement->hardware)
			return;
	}
	measurement->port = port;
	reading->error_ns = error_of(view, port, config);
	if (measurement->tai_utc != 0 || !view->properties.ptp_timescale)
		vouch(view, config, now, measurement, reading);
}

void ptp_view_suspect(const struct clock_now *now, struct clock_reading *reading)
{
	int32_t known = now->leap_file_tai_utc != 0 ? now->leap_file_tai_utc : now->tai_utc;
	int64_t tai_utc_ns = (known != 0 ? known : LINUXPTP_UTC_OFFSET) * SECOND_NS;
	size_t length = 0;

	if (llabs(magnitude(reading->offset_ns) - tai_utc_ns) > CONFUSION_NS)
		return;
	if (reading->state == OWAMP_CLOCK_DOUBTFUL && reading->text[0]) {
		length = strnlen(reading->text, sizeof reading->text - CONFUSION_TEXT);
		memcpy(reading->text + length, "; ", 2);
		length += 2;
	}
	reading->state = OWAMP_CLOCK_DOUBTFUL;
	(void)snprintf(reading->text + length, sizeof reading->text - length,
		       "the clock seems to be off by %+lld s; that is TAI-UTC: see ptpTimescale in "
		       "docs/clocks/ptp.md",
		       (long long)((reading->offset_ns < 0 ? -tai_utc_ns : tai_utc_ns) / SECOND_NS));
}
