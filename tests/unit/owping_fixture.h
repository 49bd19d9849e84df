/*
 * One session made by hand: ten packets, 0.1 s apart from
 * 2026-11-21T00:50:55.794 on. 3 is lost, 5 arrives after 6, 7 arrives twice.
 * Stamps in NTP were computed apart from the code under test.
 */
#ifndef OWPING_FIXTURE_H
#define OWPING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include <owamp/error.h>

#include "owping/options.h"
#include "owping/report.h"

/* 2026-11-21T00:50:55.794 */
#define FIXTURE_START_NS 1795222255794000000

/* S set, Scale 21 or 22, Multiplier 1: 2^-11 and 2^-10 s; 488281.25 and 976562.5 ns. */
#define FIXTURE_SEND_ERROR    0x9501
#define FIXTURE_RECEIVE_ERROR 0x9601
#define FIXTURE_UNSYNC        0x7fff

struct fixture {
	struct owamp_result result;
	struct owamp_record records[10];
	struct owamp_slot slots[2];
	struct owamp_skip_range skips[2];
	struct owping_options options;
	struct owping_report *report;
	const struct owamp_engine_granted *granted; /* NULL: of a session that we had no part in */
	struct owamp_clock_status clock;
};

static const struct owamp_record fixture_records[10] = {
	{17197955530916861313U, 17197955530921156280U, 0, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955531346358043U, 17197955531351512003U, 1, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955531775854772U, 17197955531780579236U, 2, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955532634848231U, 17197955532640861186U, 4, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955533493841691U, 17197955533500284142U, 6, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955533064344961U, 17197955533709878546U, 5, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955533923338420U, 17197955533930210368U, 7, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955533923338420U, 17197955533931498858U, 7, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955534352835150U, 17197955534360136594U, 8, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 250,
	 false, false},
	{17197955534782331879U, 17197955534790062821U, 9, FIXTURE_SEND_ERROR, FIXTURE_RECEIVE_ERROR, 249,
	 false, false},
};

static const struct owamp_record fixture_lost = {17197955532205351502U, 0,   3,     OWAMP_ERROR_LOST,
						 FIXTURE_RECEIVE_ERROR, 255, false, false};

static void fixture_address(struct sockaddr_storage *address, const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
}

/* The records without packet 3, which takes eleven with its lost record. */
static inline void fixture_begin(struct fixture *f)
{
	struct owamp_request *request = &f->result.request;

	memset(f, 0, sizeof(*f));
	memcpy(f->records, fixture_records, sizeof(f->records));
	f->result.direction = OWAMP_TO_SERVER;
	f->result.mode = OWAMP_MODE_ENCRYPTED;
	fixture_address(&f->result.sender, "192.0.2.1", 9308);
	fixture_address(&f->result.receiver, "192.0.2.2", 18809);
	f->result.stopped = true;
	f->result.next_seq = 10;
	f->result.skips = f->skips;
	f->result.records = f->records;
	f->result.record_count = 10;
	request->ipvn = 4;
	request->packets = 10;
	request->padding = 20;
	request->timeout = 2 * OWAMP_SECOND;
	request->start = fixture_records[0].send_time;
	request->type_p = 0x2e000000;
	request->slots = f->slots;
	request->slot_count = 2;
	f->slots[0] = (struct owamp_slot){OWAMP_SLOT_EXPONENTIAL, OWAMP_SECOND / 4};
	f->slots[1] = (struct owamp_slot){OWAMP_SLOT_FIXED, 0};
	assert_int_equal(owamp_sid_parse("7f000001eeab696ece8dda48b9ec3619", request->sid), 0);
	f->clock.snapshot = (struct owamp_clock_snapshot){
		.synchronized = true, .bound_ns = 70, .drift_ppb = 500000, .source = OWAMP_CLOCK_PTP};
	f->clock.bound_ns = 70;
	f->options.program = OWPING_PING;
	f->options.target = "server.example:861";
	f->options.unit = 'm';
	f->options.bucket_ns = 1000000;
}

/* Puts the lost record in the place of the duplicate. */
static inline void fixture_lose(struct fixture *f)
{
	f->records[7] = fixture_lost;
}

static inline void fixture_report(struct fixture *f)
{
	assert_int_equal(owping_report_new(&f->report, &f->result, f->options.program == OWPING_FETCH, 0,
					   UINT32_MAX, FIXTURE_START_NS),
			 0);
	f->report->clock = &f->clock;
}

static inline void fixture_end(struct fixture *f)
{
	owping_report_free(f->report);
	f->report = NULL;
}

#endif
