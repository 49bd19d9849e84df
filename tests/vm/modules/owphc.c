// SPDX-License-Identifier: GPL-2.0
/*
 * A PTP hardware clock for tests: set to CLOCK_REALTIME and a known offset when
 * the module is loaded, then counting CLOCK_MONOTONIC at a known rate, so that
 * steps of the system clock do not move it.
 */
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/timekeeping.h>

static long offset_ns;
module_param(offset_ns, long, 0444);
MODULE_PARM_DESC(offset_ns, "this clock less CLOCK_REALTIME when it starts");

static long rate_ppb;
module_param(rate_ppb, long, 0444);
MODULE_PARM_DESC(rate_ppb, "by which it is faster than CLOCK_MONOTONIC; adjfine sets it anew");

static bool frozen;
module_param(frozen, bool, 0644);
MODULE_PARM_DESC(frozen, "it does not advance");

static DEFINE_SPINLOCK(lock);
static struct ptp_clock *clock;
static s64 phc_ns, mono_ns; /* this clock at a time of CLOCK_MONOTONIC */

/* Brings phc_ns up to now. Called with the lock. */
static s64 advance(void)
{
	s64 now = ktime_get_ns(), elapsed = now - mono_ns;

	if (!frozen)
		phc_ns += elapsed + div64_s64(elapsed * rate_ppb, NSEC_PER_SEC);
	mono_ns = now;
	return phc_ns;
}

static int get_time(struct ptp_clock_info *info, struct timespec64 *time, struct ptp_system_timestamp *system)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	ptp_read_system_prets(system);
	*time = ns_to_timespec64(advance());
	ptp_read_system_postts(system);
	spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static int set_time(struct ptp_clock_info *info, const struct timespec64 *time)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	mono_ns = ktime_get_ns();
	phc_ns = timespec64_to_ns(time);
	spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static int adjust_time(struct ptp_clock_info *info, s64 delta_ns)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	advance();
	phc_ns += delta_ns;
	spin_unlock_irqrestore(&lock, flags);
	return 0;
}

/* scaled_ppm is in 2^-16 parts per million. */
static int adjust_rate(struct ptp_clock_info *info, long scaled_ppm)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	advance();
	rate_ppb = scaled_ppm_to_ppb(scaled_ppm);
	spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static struct ptp_clock_info info = {
	.owner = THIS_MODULE,
	.name = "owphc",
	.max_adj = 1000000,
	.gettimex64 = get_time,
	.settime64 = set_time,
	.adjtime = adjust_time,
	.adjfine = adjust_rate,
};

static int __init owphc_init(void)
{
	ktime_t now = ktime_get();

	mono_ns = ktime_to_ns(now);
	phc_ns = ktime_to_ns(ktime_mono_to_real(now)) + offset_ns;
	clock = ptp_clock_register(&info, NULL);
	return PTR_ERR_OR_ZERO(clock);
}

static void __exit owphc_exit(void)
{
	ptp_clock_unregister(clock);
}

module_init(owphc_init);
module_exit(owphc_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("PTP hardware clock for tests");
