#include "setting.h"

void setting_init(struct setting *setting)
{
	struct instant now;

	instant_read(&now, INSTANT_TRIES_MANY);
	setting->shift_ns = now.real_ns - instant_mono(&now);
	setting->before_ns = setting->shift_ns;
	setting->noticed_mono = INT64_MIN;
}

void setting_look(struct setting *setting, const struct instant *now)
{
	int64_t least = now->real_ns - now->after_mono, most = now->real_ns - now->before_mono;
	int64_t before = setting->shift_ns;

	if (before >= least - SETTING_SLACK_NS && before <= most + SETTING_SLACK_NS)
		return;
	setting_init(setting);
	setting->before_ns = before;
	setting->noticed_mono = now->after_mono;
}

/* How far the stamp is from where it can have been taken: 0 if it is not. */
static int64_t misfit(int64_t at_mono, int64_t since_mono, int64_t until_mono)
{
	if (at_mono < since_mono - SETTING_SLACK_NS)
		return since_mono - at_mono;
	if (at_mono > until_mono + SETTING_SLACK_NS)
		return at_mono - until_mono;
	return 0;
}

int64_t setting_judge(const struct setting *setting, int64_t stamp_ns, int64_t since_mono, bool *sure)
{
	int64_t now = misfit(stamp_ns - setting->shift_ns, since_mono, owamp_mono_ns());
	int64_t before = misfit(stamp_ns - setting->before_ns, since_mono, setting->noticed_mono);

	*sure = now == 0 && before != 0;
	return before < now ? setting->before_ns : setting->shift_ns;
}
