/* What the statistics tests share: records 100 ms apart. */
#ifndef STATS_FIXTURE_H
#define STATS_FIXTURE_H

#include "reference.h"

#include "owamp/stats.h"

#define SEND_BASE ((owamp_ntp)0xe5000000 << 32)
#define ALL       UINT32_MAX
#define MS        1000000LL

static inline struct owamp_record make(uint32_t seq, int64_t delay_ns)
{
	owamp_ntp send = SEND_BASE + seq * (OWAMP_SECOND / 10);

	return (struct owamp_record){
		.seq = seq,
		.send_time = send,
		.receive_time = send + (uint64_t)ref_units(delay_ns),
		.send_error = 0x0001,
		.receive_error = 0x0001,
		.ttl = 255,
	};
}

static inline struct owamp_record make_lost(uint32_t seq)
{
	struct owamp_record record = make(seq, 0);

	record.receive_time = 0;
	return record;
}

static inline struct owamp_record make_dropped(uint32_t seq)
{
	struct owamp_record record = make_lost(seq);

	record.dropped = true;
	return record;
}

static inline struct owamp_stats *with_packets(uint32_t packets)
{
	struct owamp_stats *stats;

	assert_int_equal(owamp_stats_new(&stats, packets), 0);
	return stats;
}

static inline void put(struct owamp_stats *stats, struct owamp_record record)
{
	assert_int_equal(owamp_stats_record(stats, &record), 0);
}

static inline struct owamp_summary finish(struct owamp_stats *stats, uint32_t next_seq,
					  const struct owamp_skip_range *skips, size_t skip_count)
{
	struct owamp_summary summary;

	memset(&summary, 0xa5, sizeof(summary));
	assert_int_equal(owamp_stats_finish(stats, next_seq, skips, skip_count, &summary), 0);
	return summary;
}

#endif
