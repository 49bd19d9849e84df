// SPDX-License-Identifier: GPL-2.0
/*
 * A PPS source for tests: a pulse each second, stamped at a known distance
 * from the second of CLOCK_REALTIME, as a capture unit without latency would.
 */
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/pps_kernel.h>
#include <linux/random.h>
#include <linux/timekeeping.h>

static long offset_ns;
module_param(offset_ns, long, 0644);
MODULE_PARM_DESC(offset_ns, "what the system clock says at a pulse, less the second");

static long jitter_ns;
module_param(jitter_ns, long, 0644);
MODULE_PARM_DESC(jitter_ns, "stamps are uniformly within plus or minus this of it");

static bool silent;
module_param(silent, bool, 0644);
MODULE_PARM_DESC(silent, "no pulses");

static struct pps_device *device;
static struct hrtimer timer;
static s64 second;

static void start_next(void)
{
	second = div_s64(ktime_get_real_ns() - offset_ns, NSEC_PER_SEC) + 1;
	hrtimer_start(&timer, ns_to_ktime(second * NSEC_PER_SEC + offset_ns), HRTIMER_MODE_ABS);
}

static enum hrtimer_restart pulse(struct hrtimer *expired)
{
	struct pps_event_time stamp = {};
	s64 at = second * NSEC_PER_SEC + offset_ns;

	if (jitter_ns > 0)
		at += get_random_u32() % (2 * jitter_ns + 1) - jitter_ns;
	/* After a step of the clock the pulse is not due. */
	if (!silent && abs(ktime_get_real_ns() - at) < NSEC_PER_SEC / 2) {
		stamp.ts_real = ns_to_timespec64(at);
		pps_event(device, &stamp, PPS_CAPTUREASSERT, NULL);
	}
	start_next();
	return HRTIMER_NORESTART;
}

static struct pps_source_info info = {
	.name = "owpps",
	.mode = PPS_CAPTUREASSERT | PPS_OFFSETASSERT | PPS_CANWAIT | PPS_TSFMT_TSPEC,
	.owner = THIS_MODULE,
};

static int __init owpps_init(void)
{
	device = pps_register_source(&info, PPS_CAPTUREASSERT);
	if (IS_ERR(device))
		return PTR_ERR(device);
	hrtimer_init(&timer, CLOCK_REALTIME, HRTIMER_MODE_ABS);
	timer.function = pulse;
	start_next();
	return 0;
}

static void __exit owpps_exit(void)
{
	hrtimer_cancel(&timer);
	pps_unregister_source(device);
}

module_init(owpps_init);
module_exit(owpps_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("PPS source for tests");
