/* What the data plane asks of the machine, and what it was given. */
#include "server.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <owamp/error.h>

#include "log.h"
#include "opener.h"
#include "privileges.h"

static bool is_about(const char *error, const char *what)
{
	size_t size = strlen(what);

	return strncmp(error, what, size) == 0 && error[size] && strchr(": ", error[size]);
}

/* The key to blame, if the engine's error begins with something that the configuration names: "lo: ...". */
static const char *blame(const struct config *config, const char *error)
{
	for (char **name = config->hardware_timestamps; name && *name; name++) {
		if (is_about(error, *name))
			return "hardware_timestamps";
	}
	if (is_about(error, config->clock.leap_file) || is_about(error, "clock source"))
		return "clock";
	return "starting";
}

int machine_start(struct server *server)
{
	const struct config *config = server->config;
	struct owamp_engine_config wanted = OWAMP_ENGINE_CONFIG_INIT;
	struct owamp_clock_config clock = config->clock;
	struct privileges after;
	char error[512];
	int result;

	/* That there is no such user is said when it is time to become it. */
	wanted.keeps_privileges =
		!privileges_find(&after, config, error, sizeof error) && after.uid == geteuid();
	wanted.realtime_priority = (int)config->realtime_priority;
	wanted.lock_memory = config->lock_memory;
	wanted.spin_ns = config->spin_ns;
	wanted.pacer_cpu = config->pacer_cpu;
	wanted.collector_cpu = config->collector_cpu;
	wanted.hardware_interfaces = (const char *const *)config->hardware_timestamps;
	wanted.clock = &clock;
	if (server->opener) {
		clock.open = opener_open;
		clock.open_context = server->opener;
	}
	result = owamp_engine_new(&server->engine, &wanted, error, sizeof error);
	if (result) {
		log_write(LOG_ERR, "%s: %s", blame(config, error),
			  error[0] ? error : owamp_error_text(result));
		return result;
	}
	server->loop = owamp_engine_loop(server->engine);
	return 0;
}

static void describe_realtime(const struct config *config, const struct owamp_engine_granted *granted)
{
	if (config->realtime_priority == 0)
		log_write(LOG_INFO, "real-time priority for sending: not asked for");
	else if (granted->realtime)
		log_write(LOG_INFO, "real-time priority for sending: %u (SCHED_FIFO)",
			  config->realtime_priority);
	else
		log_write(LOG_NOTICE,
			  "real-time priority for sending: not given, %s; on a busy machine packets leave "
			  "late. Start as root, or set LimitRTPRIO=%u (systemd) or ulimit -r; "
			  "realtime_priority = 0 does without",
			  strerror(granted->realtime_errno), config->realtime_priority);
}

static void describe_memory(const struct config *config, const struct owamp_engine_granted *granted)
{
	if (!config->lock_memory)
		log_write(LOG_INFO, "locked memory: not asked for");
	else if (granted->memory_locked)
		log_write(LOG_INFO, "locked memory: yes, nothing of owampd is paged out");
	else
		log_write(LOG_NOTICE,
			  "locked memory: not given, %s; when memory is short, packets leave late. Set "
			  "LimitMEMLOCK=infinity (systemd) or ulimit -l unlimited; lock_memory = no does "
			  "without",
			  strerror(granted->memory_errno));
}

static void describe_spin(const struct config *config, const struct owamp_engine_granted *granted)
{
	if (granted->spin_ns == 0)
		return;
	log_write(config->spin_ns > 0 && !granted->realtime ? LOG_NOTICE : LOG_INFO,
		  "spinning for the last %.1f us before a packet is due%s", (double)granted->spin_ns / 1e3,
		  granted->realtime ? "" : ", without real-time priority: worse than not, on a busy machine");
}

static void describe_cpu(const char *thread, int cpu)
{
	if (cpu >= 0)
		log_write(LOG_INFO, "%s on CPU %d only", thread, cpu);
}

void machine_describe(const struct server *server)
{
	const struct config *config = server->config;
	struct owamp_engine_granted granted;

	owamp_engine_granted(server->engine, &granted);
	describe_realtime(config, &granted);
	describe_spin(config, &granted);
	describe_memory(config, &granted);
	describe_cpu("sending", config->pacer_cpu);
	describe_cpu("receiving", config->collector_cpu);
	for (char **name = config->hardware_timestamps; name && *name; name++)
		log_write(LOG_INFO, "%s stamps in hardware what arrives", *name);
}
