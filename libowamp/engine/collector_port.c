#include <owamp/collector.h>

#include <owamp/error.h>

int owamp_collector_port_open(struct owamp_collector *collector, int fd, struct owamp_collector_port **port)
{
	(void)collector;
	(void)fd;
	*port = NULL;
	return OWAMP_ESYSTEM;
}

void owamp_collector_port_close(struct owamp_collector_port *port)
{
	(void)port;
}

uint64_t owamp_collector_port_strangers(const struct owamp_collector_port *port)
{
	(void)port;
	return 0;
}

int owamp_collector_place_take(struct owamp_collector_port *port, const struct sockaddr *sender,
			       struct owamp_collector_place **place)
{
	(void)port;
	(void)sender;
	*place = NULL;
	return OWAMP_ESYSTEM;
}

void owamp_collector_place_leave(struct owamp_collector_place *place)
{
	(void)place;
}

int owamp_collector_start_at(struct owamp_collector_place *place, struct owamp_receiver *receiver,
			     void (*finished)(void *context), void *context,
			     struct owamp_collector_session **session)
{
	(void)place;
	(void)receiver;
	(void)finished;
	(void)context;
	*session = NULL;
	return OWAMP_ESYSTEM;
}
