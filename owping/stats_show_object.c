#include <math.h>

#include "owping/stats_document.h"
#include "owping/stats_show.h"

static int add_slot(void *context, const struct query_slot *slot)
{
	json_array_append_new(context, json_pack("{s:o, s:o}", "type", stats_string(slot->distribution),
						 "interval_ns", json_integer(slot->interval_ns)));
	return 0;
}

static int add_loss(void *context, const struct query_loss *loss)
{
	json_t *object = json_object();

	json_object_set_new(object, "begin_ns", json_integer(loss->begin_ns));
	json_object_set_new(object, "end_ns", json_integer(loss->end_ns));
	json_object_set_new(object, "first_seq", stats_number(loss->first_seq));
	json_object_set_new(object, "last_seq", stats_number(loss->last_seq));
	json_object_set_new(object, "packets", stats_number((uint64_t)loss->last_seq - loss->first_seq + 1));
	json_array_append_new(context, object);
	return 0;
}

static int add_health(void *context, const char *name, int64_t value, const char *text)
{
	json_object_set_new(context, name, text ? stats_string(text) : json_integer(value));
	return 0;
}

static int add_minute(void *context, const struct query_minute *minute)
{
	bool any = minute->received > 0;
	json_t *object = json_object();

	json_object_set_new(object, "minute_ns", json_integer(minute->minute_ns));
	json_object_set_new(object, "sent", stats_number(minute->sent));
	json_object_set_new(object, "received", stats_number(minute->received));
	json_object_set_new(object, "lost", stats_number(minute->lost));
	json_object_set_new(object, "dropped", stats_number(minute->dropped));
	json_object_set_new(object, "duplicates", stats_number(minute->duplicates));
	json_object_set_new(object, "reordered", stats_number(minute->reordered));
	json_object_set_new(object, "delay_min_ns", stats_number_if(any, minute->delay_min_ns));
	json_object_set_new(object, "delay_p50_ns", stats_number_if(any, minute->delay_p50_ns));
	json_object_set_new(object, "delay_p95_ns", stats_number_if(any, minute->delay_p95_ns));
	json_object_set_new(object, "delay_p99_ns", stats_number_if(any, minute->delay_p99_ns));
	json_object_set_new(object, "delay_p999_ns", stats_number_if(any, minute->delay_p999_ns));
	json_object_set_new(object, "delay_max_ns", stats_number_if(any, minute->delay_max_ns));
	json_object_set_new(object, "jitter_ns", stats_number_if(any, minute->jitter_ns));
	json_object_set_new(object, "send_error_ns", stats_number_if(any, minute->send_error_ns));
	json_object_set_new(object, "receive_error_ns", stats_number_if(any, minute->receive_error_ns));
	json_object_set_new(object, "synchronized", any ? json_boolean(minute->synchronized) : json_null());
	json_array_append_new(context, object);
	return 0;
}

json_t *stats_show_minute_list(struct stats_run *run, const struct query_session *session, int *error)
{
	json_t *list = json_array();

	if (!list)
		return NULL;
	*error = query_minutes(run->archive, session->session_id, INT64_MIN, INT64_MAX, add_minute, list);
	if (!*error)
		return list;
	json_decref(list);
	return NULL;
}

static void add_agreement(json_t *object, const struct query_session *session)
{
	json_object_set_new(object, "sender_port", json_integer(session->sender_port));
	json_object_set_new(object, "receiver_port", json_integer(session->receiver_port));
	json_object_set_new(object, "server", stats_string(session->server));
	json_object_set_new(object, "mode", stats_string(session->mode));
	json_object_set_new(object, "identity", stats_string(session->identity));
	json_object_set_new(object, "class", stats_string(session->class_name));
	json_object_set_new(object, "peer", stats_string(session->peer));
	json_object_set_new(object, "padding", stats_number(session->padding));
	json_object_set_new(object, "type_p", stats_number(session->type_p));
	json_object_set_new(object, "dscp", stats_number_if(session->dscp >= 0, session->dscp));
	json_object_set_new(object, "timeout_ns", json_integer(session->timeout_ns));
	json_object_set_new(object, "created_ns", json_integer(session->created_ns));
	json_object_set_new(object, "next_seq", stats_number_if(session->stop_known, session->next_seq));
	json_object_set_new(object, "records_lost", stats_number(session->records_lost));
	json_object_set_new(object, "duplicates_left_out", stats_number(session->duplicates_left_out));
	json_object_set_new(object, "packets_kept", json_boolean(session->packets_kept));
	json_object_set_new(object, "summaries_due", json_boolean(session->summaries_due));
	json_object_set_new(object, "program", stats_string(session->program));
	json_object_set_new(object, "program_version", stats_string(session->version));
}

/* What only packets can tell is null without them. */
static void add_figures(json_t *object, const struct query_session *session,
			const struct stats_figures *figures)
{
	const struct owamp_summary *s = &figures->summary;
	bool any = figures->received > 0, exact = any && figures->exact;
	bool pairs = exact && s->ipdv_count > 0;

	json_object_set_new(object, "missing_records", stats_number(figures->missing));
	json_object_set_new(object, "first_ns",
			    stats_number_if(figures->exact && s->first != 0,
					    owamp_ntp_to_unix_ns(s->first, session->created_ns)));
	json_object_set_new(object, "last_ns",
			    stats_number_if(figures->exact && s->last != 0,
					    owamp_ntp_to_unix_ns(s->last, session->created_ns)));
	json_object_set_new(object, "delay_mean_ns",
			    stats_number_if(exact, exact ? llround(s->delay_mean_ns) : 0));
	json_object_set_new(object, "jitter_ns",
			    stats_number_if(figures->has_delays, stats_difference(figures->delay_p95_ns,
										  figures->delay_median_ns)));
	json_object_set_new(object, "ipdv_count", stats_number_if(figures->exact, s->ipdv_count));
	json_object_set_new(object, "ipdv_mean_ns",
			    stats_number_if(pairs, pairs ? llround(s->ipdv_mean_ns) : 0));
	json_object_set_new(object, "ipdv_max_ns", stats_number_if(pairs, s->ipdv_max_ns));
	json_object_set_new(object, "ttl_min", stats_number_if(exact, s->ttl_min));
	json_object_set_new(object, "ttl_max", stats_number_if(exact, s->ttl_max));
	json_object_set_new(object, "send_error_ns", stats_number_if(any, figures->send_error_ns));
	json_object_set_new(object, "receive_error_ns", stats_number_if(any, figures->receive_error_ns));
}

static json_t *degrees(const struct stats_figures *figures)
{
	const struct owamp_summary *s = &figures->summary;
	json_t *list = json_array();

	for (uint32_t n = 0; figures->exact && n < OWAMP_REORDER_DEGREES && s->n_reordered[n] > 0; n++)
		json_array_append_new(list, stats_number(s->n_reordered[n]));
	return list;
}

static json_t *skip_ranges(const struct stats_figures *figures)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < figures->cover.skip_count; i++)
		json_array_append_new(list, json_pack("[o, o]", stats_number(figures->cover.skips[i].first),
						      stats_number(figures->cover.skips[i].last)));
	return list;
}

static int add_lists(struct stats_run *run, json_t *object, const struct query_session *session)
{
	json_t *slots = json_array(), *losses = json_array(), *health = json_object();
	int error = query_slots(run->archive, session->session_id, add_slot, slots);

	if (!error)
		error = query_losses(run->archive, session->session_id, add_loss, losses);
	if (!error)
		error = query_health(run->archive, session->session_id, add_health, health);
	json_object_set_new(object, "schedule", slots);
	json_object_set_new(object, "loss_episodes", losses);
	json_object_set_new(object, "health", health);
	return error;
}

json_t *stats_show_object(struct stats_run *run, const struct query_session *session,
			  const struct stats_figures *figures, int *error)
{
	json_t *object = stats_session_object(session, figures);

	add_agreement(object, session);
	add_figures(object, session, figures);
	stats_percentiles_of_figures(object, run->options, figures);
	json_object_set_new(object, "n_reordered", degrees(figures));
	json_object_set_new(object, "skip_ranges", skip_ranges(figures));
	*error = add_lists(run, object, session);
	if (!*error && run->options->minutes)
		json_object_set_new(object, "minutes", stats_show_minute_list(run, session, error));
	if (!*error)
		return object;
	json_decref(object);
	return NULL;
}
