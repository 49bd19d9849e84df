#include <stdlib.h>

#include <owamp/error.h>

#include "owping/stats_measure.h"
#include "owping/stats_range.h"

#define NS_PER_MINUTE INT64_C(60000000000)
#define NS_PER_HOUR   (60 * NS_PER_MINUTE)
#define NS_PER_DAY    (24 * NS_PER_HOUR)

/* A file can hold anything. Between these, until 2160, no sum or difference of times and steps overflows. */
#define TIME_MIN INT64_C(-100000000000000000)
#define TIME_MAX INT64_C(6000000000000000000)

/* What is needed of a session after the query that found it. */
struct session {
	struct query_session session; /* but for the texts */
	bool from_packets;
	int64_t send_error_ns;
	int64_t receive_error_ns;
};

struct sessions {
	struct session *list;
	size_t count;
	uint64_t records;
	uint64_t pruned;
	int64_t first_ns;
	int64_t last_ns;
	int64_t now_ns;
};

static int take_session(void *context, const struct query_session *session)
{
	struct sessions *sessions = context;
	int64_t end_ns = session->outcome == ARCHIVE_RUNNING ? sessions->now_ns : session->end_ns;

	/* The capacity is the next power of two. */
	if ((sessions->count & (sessions->count - 1)) == 0) {
		struct session *list = reallocarray(
			sessions->list, sessions->count > 0 ? 2 * sessions->count : 1, sizeof *list);

		if (!list)
			return OWAMP_ENOMEM;
		sessions->list = list;
	}
	sessions->list[sessions->count++] = (struct session){.session = *session};
	sessions->records += session->packets_kept ? session->records : 0;
	sessions->pruned += !session->packets_kept;
	if (session->start_ns < sessions->first_ns)
		sessions->first_ns = session->start_ns;
	if (end_ns > sessions->last_ns)
		sessions->last_ns = end_ns;
	return 0;
}

/* Summaries are all there, or enough of them. */
static bool is_summed_up(const struct query_session *session)
{
	if (session->outcome == ARCHIVE_RUNNING)
		return session->records > STATS_EXACT_MAX;
	return !session->summaries_due;
}

static int64_t limited(int64_t ns)
{
	if (ns < TIME_MIN)
		return TIME_MIN;
	return ns < TIME_MAX ? ns : TIME_MAX;
}

static int64_t floor_to(int64_t ns, int64_t unit_ns)
{
	int64_t rest = ns % unit_ns;

	return ns - (rest < 0 ? rest + unit_ns : rest);
}

static int64_t common_divisor(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Packets are taken if they are all there and few enough, or if the steps need them. */
static void choose_sources(struct stats_range *range, struct sessions *sessions,
			   const struct stats_range_config *config)
{
	bool needs_packets = config->step_ns % NS_PER_HOUR != 0;
	bool all_packets = (sessions->pruned == 0 || needs_packets) && sessions->records <= STATS_EXACT_MAX;

	range->exact = all_packets && !config->buckets;
	range->sessions = sessions->count;
	range->running = range->left_out = 0;
	for (size_t i = 0; i < sessions->count; i++) {
		struct session *session = &sessions->list[i];

		session->from_packets = session->session.packets_kept &&
					(all_packets || needs_packets || !is_summed_up(&session->session));
		range->running += session->session.outcome == ARCHIVE_RUNNING;
		if (!session->session.packets_kept && needs_packets)
			range->left_out++;
		else if (!session->from_packets)
			range->whole_hours = true;
	}
}

/* Begin and end, moved outwards to whole steps or hours. */
static void set_limits(struct stats_range *range, const struct sessions *sessions,
		       const struct stats_range_config *config)
{
	int64_t unit_ns = common_divisor(config->step_ns, NS_PER_DAY);
	int64_t begin_ns = limited(config->since_ns == INT64_MIN ? sessions->first_ns : config->since_ns);
	int64_t end_ns =
		config->until_ns == INT64_MAX ? limited(sessions->last_ns) + 1 : limited(config->until_ns);

	if (config->step_ns == 0)
		unit_ns = range->whole_hours ? NS_PER_HOUR : 1;
	begin_ns = floor_to(begin_ns, unit_ns);
	if (end_ns <= begin_ns)
		end_ns = begin_ns + 1;
	if (config->step_ns > 0)
		unit_ns = config->step_ns;
	range->begin_ns = begin_ns;
	range->end_ns = begin_ns + ((end_ns - begin_ns - 1) / unit_ns + 1) * unit_ns;
	range->step_ns = config->step_ns > 0 ? config->step_ns : range->end_ns - begin_ns;
}

static int make_steps(struct stats_range *range, struct stats_run *run)
{
	int64_t count = (range->end_ns - range->begin_ns) / range->step_ns;

	if (count > STATS_STEPS_MAX) {
		stats_fail(run, "%lld steps are more than %d: expected a larger --step or a shorter time",
			   (long long)count, STATS_STEPS_MAX);
		return OWAMP_EINVAL;
	}
	range->steps = calloc((size_t)count, sizeof *range->steps);
	if (!range->steps)
		return OWAMP_ENOMEM;
	range->step_count = (size_t)count;
	for (size_t i = 0; i < range->step_count; i++) {
		if (stats_pool_new(&range->steps[i].pool, range->exact) < 0)
			return OWAMP_ENOMEM;
	}
	return 0;
}

/* A walk over one session. */
struct walk {
	struct stats_range *range;
	const struct stats_range_config *config;
	struct session *session;
	struct stats_cover cover;
	uint64_t next_expected; /* RFC 4737 */
	bool received;
};

/* NULL: outside. Where the range has no edge, nothing is outside, not even by a clock's error. */
static struct stats_step *step_at(const struct walk *walk, int64_t ns)
{
	const struct stats_range *range = walk->range;

	/* Packets are counted as asked for, summaries only in whole steps. */
	if (walk->session->from_packets && (ns < walk->config->since_ns || ns >= walk->config->until_ns))
		return NULL;
	if (ns < range->begin_ns)
		return walk->config->since_ns == INT64_MIN ? &range->steps[0] : NULL;
	if (ns >= range->end_ns)
		return walk->config->until_ns == INT64_MAX ? &range->steps[range->step_count - 1] : NULL;
	return &range->steps[(ns - range->begin_ns) / range->step_ns];
}

static void note_clock(struct walk *walk, int64_t send_error_ns, int64_t receive_error_ns, bool synchronized)
{
	if (send_error_ns > walk->session->send_error_ns)
		walk->session->send_error_ns = send_error_ns;
	if (receive_error_ns > walk->session->receive_error_ns)
		walk->session->receive_error_ns = receive_error_ns;
	walk->received = true;
	if (!synchronized)
		walk->range->synchronized = false;
}

static int add_arrival(struct walk *walk, struct stats_step *step, const struct owamp_record *record)
{
	bool is_late = record->seq < walk->next_expected;

	if (!is_late)
		walk->next_expected = (uint64_t)record->seq + 1;
	if (!step)
		return 0;
	step->sent++;
	step->received++;
	step->reordered += is_late;
	note_clock(walk, owamp_error_estimate_ns(record->send_error),
		   owamp_error_estimate_ns(record->receive_error),
		   owamp_error_estimate_synchronized(record->send_error) &&
			   owamp_error_estimate_synchronized(record->receive_error));
	return stats_pool_add(step->pool, owamp_ntp_diff_ns(record->receive_time, record->send_time));
}

static int add_record(void *context, const struct owamp_record *record)
{
	struct walk *walk = context;
	struct stats_step *step;

	if (!stats_covers(&walk->cover, record->seq))
		return 0;
	step = step_at(walk, owamp_ntp_to_unix_ns(record->send_time, walk->session->session.created_ns));
	/* A packet's one row that counts is its first arrival, or else its first loss. */
	if (!owamp_record_lost(record) && !record->duplicate)
		return add_arrival(walk, step, record);
	if (!step)
		return 0;
	if (!owamp_record_lost(record)) {
		step->duplicates++;
	} else if (!record->duplicate) {
		step->sent++;
		step->lost += !record->dropped;
		step->dropped += record->dropped;
	}
	return 0;
}

static int add_packets(struct walk *walk, struct archive *archive)
{
	int error = stats_cover_load(&walk->cover, archive, &walk->session->session);

	if (!error)
		error = stats_records(archive, walk->session->session.session_id, add_record, walk);
	stats_cover_free(&walk->cover);
	return error;
}

static bool is_worse(const struct query_minute *a, const struct query_minute *b)
{
	if (a->lost != b->lost)
		return a->lost > b->lost;
	if (a->received == 0 || b->received == 0)
		return a->received > b->received;
	return a->delay_p95_ns > b->delay_p95_ns;
}

static int add_minute(void *context, const struct query_minute *minute)
{
	struct walk *walk = context;
	struct stats_step *step = step_at(walk, minute->minute_ns);

	if (!walk->range->has_worst || is_worse(minute, &walk->range->worst))
		walk->range->worst = *minute;
	walk->range->has_worst = true;
	if (!step || walk->session->from_packets)
		return 0;
	step->sent += minute->sent;
	step->received += minute->received;
	step->lost += minute->lost;
	step->dropped += minute->dropped;
	step->duplicates += minute->duplicates;
	step->reordered += minute->reordered;
	if (minute->received == 0)
		return 0;
	stats_pool_extend(step->pool, minute->delay_min_ns, minute->delay_max_ns);
	note_clock(walk, minute->send_error_ns, minute->receive_error_ns, minute->synchronized);
	return 0;
}

static int add_bucket(void *context, int64_t hour_ns, const struct histogram_bucket *bucket)
{
	struct walk *walk = context;
	struct stats_step *step = step_at(walk, hour_ns);

	return step ? stats_pool_add_bucket(step->pool, bucket) : 0;
}

static int add_session(struct stats_range *range, struct archive *archive,
		       const struct stats_range_config *config, struct session *session)
{
	struct walk walk = {.range = range, .config = config, .session = session};
	int64_t since_ns = config->since_ns == INT64_MIN ? INT64_MIN : range->begin_ns;
	int64_t until_ns = config->until_ns == INT64_MAX ? INT64_MAX : range->end_ns;
	int64_t session_id = session->session.session_id;
	int64_t bound_ns;
	int error;

	if (!session->session.packets_kept && config->step_ns % NS_PER_HOUR != 0)
		return 0;
	error = query_minutes(archive, session_id,
			      since_ns == INT64_MIN ? INT64_MIN : floor_to(since_ns, NS_PER_MINUTE), until_ns,
			      add_minute, &walk);
	if (!error && session->from_packets)
		error = add_packets(&walk, archive);
	else if (!error)
		error = query_histogram(archive, session_id, since_ns, until_ns, add_bucket, &walk);
	bound_ns = stats_bound(session->send_error_ns, session->receive_error_ns);
	if (walk.received && bound_ns > range->error_ns)
		range->error_ns = bound_ns;
	return error;
}

static int find_sessions(struct sessions *sessions, struct archive *archive,
			 const struct stats_range_config *config, int64_t since_ns, int64_t until_ns)
{
	struct query_filter filter = {
		.since_ns = since_ns,
		.until_ns = until_ns,
		.from = config->from,
		.to = config->to,
	};

	free(sessions->list);
	*sessions = (struct sessions){
		.first_ns = INT64_MAX,
		.last_ns = INT64_MIN,
		.now_ns = sessions->now_ns,
	};
	return query_sessions(archive, &filter, take_session, sessions);
}

static int prepare(struct stats_range *range, struct stats_run *run, struct sessions *sessions,
		   const struct stats_range_config *config)
{
	bool has_begin = config->since_ns != INT64_MIN, has_end = config->until_ns != INT64_MAX;
	int error = find_sessions(sessions, run->archive, config, config->since_ns, config->until_ns);

	if (error || sessions->count == 0)
		return error;
	choose_sources(range, sessions, config);
	set_limits(range, sessions, config);
	/* Whole steps or hours can have sessions that what was asked for has not. */
	range->widened = range->whole_hours && ((has_begin && range->begin_ns < config->since_ns) ||
						(has_end && range->end_ns > config->until_ns));
	if (range->widened) {
		error = find_sessions(sessions, run->archive, config, has_begin ? range->begin_ns : INT64_MIN,
				      has_end ? range->end_ns : INT64_MAX);
		choose_sources(range, sessions, config);
	}
	return error ? error : make_steps(range, run);
}

int stats_range_collect(struct stats_range *range, struct stats_run *run,
			const struct stats_range_config *config)
{
	struct sessions sessions = {.now_ns = run->now_ns};
	int error;

	*range = (struct stats_range){.synchronized = true};
	error = prepare(range, run, &sessions, config);
	for (size_t i = 0; i < sessions.count && !error; i++)
		error = add_session(range, run->archive, config, &sessions.list[i]);
	free(sessions.list);
	return stats_failed(run, error);
}

void stats_range_free(struct stats_range *range)
{
	for (size_t i = 0; i < range->step_count; i++)
		stats_pool_free(range->steps[i].pool);
	free(range->steps);
	*range = (struct stats_range){0};
}

int stats_range_nothing(struct stats_run *run, bool both)
{
	const char *const ends[] = {run->options->from, run->options->to};
	bool is_timed = run->options->since_ns != INT64_MIN || run->options->until_ns != INT64_MAX;

	for (size_t i = 0; i < 2; i++) {
		bool known;
		int error = query_endpoint_known(run->archive, ends[i], &known);

		if (error)
			return stats_failed(run, error);
		if (!known)
			return stats_fail(run, "%s: no session has an endpoint %s", run->options->archive,
					  ends[i]);
	}
	return stats_fail(run, "%s: no session %s %s %s %s%s", run->options->archive,
			  both ? "between" : "from", ends[0], both ? "and" : "to", ends[1],
			  is_timed ? " in that time" : "");
}
