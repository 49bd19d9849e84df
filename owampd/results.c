/* The archive of received sessions, and the classes that it is charged to. */
#include "server.h"

#include <owamp/error.h>

#include "log.h"

static void log_line(void *context, int priority, const char *line)
{
	(void)context;
	log_write(priority, "%s", line);
}

static int charge(void *context, const char *class_name, uint64_t octets, void **grant)
{
	struct server *server = context;
	struct policy_grant *charged;
	int error = policy_charge(server->policy, class_name, octets, &charged);

	*grant = charged;
	return error;
}

static void settle(void *grant, uint64_t octets)
{
	policy_settle_storage(grant, octets);
}

static void release(void *grant)
{
	policy_release(grant);
}

static void retention_of(const struct config *config, struct writer_retention *retention)
{
	*retention = (struct writer_retention){
		.packets_ns = config->keep_ns,
		.summaries_ns = config->keep_summaries_ns,
		.octets_max = config->archive_max,
	};
}

int results_open(struct server *server)
{
	const char *path = server->config->archive_path;
	struct store_config config = {
		.path = path,
		.program = "owampd",
		.loop = server->loop,
		.clock = owamp_engine_clock(server->engine),
		.log = log_line,
		.charge = charge,
		.settle = settle,
		.release = release,
		.context = server,
	};
	struct store_count count;
	char error[512];
	int result;

	retention_of(server->config, &config.retention);
	result = store_new(&server->store, &config, &count, error, sizeof error);
	if (result)
		log_write(LOG_ERR, "archive %s", error);
	else if (path)
		log_write(LOG_NOTICE, "archive %s: %llu sessions, %llu packets can be fetched", path,
			  (unsigned long long)count.sessions, (unsigned long long)count.records);
	else
		log_write(LOG_NOTICE, "no archive is set: results are kept in memory and end with owampd");
	return result;
}

void results_retention(struct server *server)
{
	struct writer_retention retention;

	retention_of(server->config, &retention);
	store_set_retention(server->store, &retention);
}
