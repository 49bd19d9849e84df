/*
 * Send schedules: RFC 4656 sections 3.6 and 5.
 *
 * A schedule yields the offset of each packet from the session's Start Time,
 * one after the other, in constant memory. Sender and receiver run their own
 * instance and get the same numbers to the last bit. Type-0 slots of a session
 * share one generator, seeded by the SID.
 *
 * An object is used by one thread at a time.
 */
#ifndef OWAMP_SCHEDULE_H
#define OWAMP_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "session.h"

struct owamp_schedule;
struct owamp_exponential;

/*
 * The slots are copied. OWAMP_EINVAL for no slots, a slot of unknown type or a
 * parameter above OWAMP_SPAN_MAX.
 */
OWAMP_API int owamp_schedule_new(struct owamp_schedule **schedule, const struct owamp_slot *slots,
				 size_t slot_count, const uint8_t sid[OWAMP_SID_SIZE]);
OWAMP_API void owamp_schedule_free(struct owamp_schedule *schedule);

/*
 * The offset of the next packet from Start Time; never smaller than the one
 * before. Saturates at OWAMP_SPAN_MAX.
 */
OWAMP_API owamp_interval owamp_schedule_next(struct owamp_schedule *schedule);

/*
 * The mean time of one turn through the slots (the sum of their parameters,
 * saturating at OWAMP_SPAN_MAX): slot_count packets leave in it. 0 means
 * an infinite rate. Returns OWAMP_EINVAL as owamp_schedule_new() does.
 */
OWAMP_API int owamp_schedule_turn(const struct owamp_slot *slots, size_t slot_count, owamp_interval *turn);

/*
 * The most packets that leave within a span shorter than window, anywhere in
 * the circular schedule, with exponential slots taken at their mean;
 * UINT32_MAX if the schedule has no length.
 */
OWAMP_API uint32_t owamp_schedule_peak(const struct owamp_slot *slots, size_t slot_count, owamp_interval window);

/* Exponential deviates of mean 1 as section 5 computes them, 32.32. */
OWAMP_API int owamp_exponential_new(struct owamp_exponential **generator, const uint8_t seed[16]);
OWAMP_API void owamp_exponential_free(struct owamp_exponential *generator);
OWAMP_API uint64_t owamp_exponential_next(struct owamp_exponential *generator);

#endif
