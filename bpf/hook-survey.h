/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the survey of hooks says of one namespace; src/source/hook-survey.ts reads it. */
#ifndef HOPSCOPE_HOOK_SURVEY_H
#define HOPSCOPE_HOOK_SURVEY_H

#include <linux/bpf.h>

#define HS_SURVEY_HOOKS 5		/* enum nf_inet_hooks up to NF_INET_POST_ROUTING */
#define HS_SURVEY_FAMILIES 2		/* IPv4, IPv6 */
#define HS_SURVEY_PRIORITIES 16		/* different ones of a hook that are noted */
#define HS_SURVEY_NAMESPACES 4096	/* that have something at a hook */
#define HS_SURVEY_WALK 65536		/* namespaces walked */

struct hs_survey_hook {
	__u32 count;	/* different priorities; above HS_SURVEY_PRIORITIES not all are noted */
	__s32 priorities[HS_SURVEY_PRIORITIES];	/* upwards */
};

struct hs_survey {
	__u32 netns;	/* low half of net_cookie */
	struct hs_survey_hook hooks[HS_SURVEY_FAMILIES][HS_SURVEY_HOOKS];
};

_Static_assert(sizeof(struct hs_survey_hook) == 68, "struct hs_survey_hook");
_Static_assert(sizeof(struct hs_survey) == 684, "struct hs_survey");

#endif
