"""Writes tests/data/calendar.jsonl: the next times of crons of EventBridge Scheduler, found by looking at every minute.

    .local/venv/bin/python tests/support/calendar_cases.py >tests/data/calendar.jsonl

Shares no code and no idea with the two implementations (src/calendar, lambda/core/cron.mjs): each minute of UTC is converted to the local
clock by the standard library, and compared with the fields. AWS's User Guide of Scheduler ("Daylight savings time on EventBridge Scheduler")
gives the rule for clock changes: a time that the clock skips has no invocation, and a time that the clock repeats has one invocation. The
first of the two equal times is taken as the invocation.
"""

import calendar
import json
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
DAYS = "SUN MON TUE WED THU FRI SAT".split()
HORIZON_YEARS = 30

CASES = [
    # Every day, and lists, ranges and steps
    ("cron(0 3 * * ? *)", "UTC", "2026-11-28T03:00:00Z"),
    ("cron(0 3 * * ? *)", "UTC", "2026-11-28T02:59:59Z"),
    ("cron(0 3 * * ? *)", "Asia/Tokyo", "2026-11-28T00:00:00Z"),
    ("cron(30 9 * * ? *)", "Asia/Kolkata", "2026-12-30T04:00:30Z"),
    ("cron(0 0 * * ? *)", "Asia/Kathmandu", "2026-12-30T18:15:00Z"),
    ("cron(0/15 * * * ? *)", "UTC", "2026-12-31T23:31:00Z"),
    ("cron(*/20 8-9 * * ? *)", "Asia/Tokyo", "2026-02-27T23:59:00Z"),
    ("cron(5/25 0/11 * * ? *)", "UTC", "2026-05-05T22:00:00Z"),
    ("cron(10-50/20 6 * * ? *)", "Asia/Tokyo", "2026-05-05T00:00:00Z"),
    ("cron(0,30 0,12 1,15 * ? *)", "UTC", "2026-01-14T23:59:00Z"),
    ("cron(0 9 ? * MON *)", "Asia/Tokyo", "2026-11-29T23:59:59Z"),
    ("cron(0 9 ? * MON-FRI *)", "America/New_York", "2026-12-24T15:00:00Z"),
    ("cron(0 9 ? * 2-6 *)", "America/New_York", "2026-12-24T15:00:00Z"),
    ("cron(0 9 ? * mon,wed,FRI *)", "Europe/Berlin", "2026-07-03T07:00:00Z"),
    ("cron(0 9 ? * 1,7 *)", "UTC", "2026-07-03T09:00:00Z"),
    ("cron(0 12 ? JAN,JUN * *)", "UTC", "2026-01-29T13:00:00Z"),
    ("cron(0 12 ? JAN-MAR/2 SUN *)", "UTC", "2026-01-20T00:00:00Z"),
    ("cron(0 12 1 1/3 ? *)", "UTC", "2026-01-20T00:00:00Z"),
    ("cron(0 0 1/10 * ? *)", "UTC", "2026-02-11T00:00:00Z"),
    ("cron(15 10 * * ? 2027-2028)", "UTC", "2026-12-31T00:00:00Z"),
    ("cron(15 10 1 7 ? 2027/2)", "UTC", "2026-12-31T00:00:00Z"),
    ("cron(59 23 31 12 ? 2026)", "UTC", "2026-12-01T00:00:00Z"),
    # Month ends and leap days
    ("cron(0 3 L * ? *)", "UTC", "2026-01-31T02:00:00Z"),
    ("cron(0 3 L 2 ? *)", "UTC", "2026-03-01T00:00:00Z"),
    ("cron(59 23 L * ? *)", "America/Los_Angeles", "2027-01-01T00:00:00Z"),
    ("cron(0 3 31 * ? *)", "UTC", "2026-01-31T03:00:00Z"),
    ("cron(0 3 30 * ? *)", "Asia/Tokyo", "2027-01-29T18:00:00Z"),
    ("cron(0 3 29 2 ? *)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(0 3 29 2 ? *)", "Asia/Tokyo", "2028-02-28T18:00:00Z"),
    ("cron(0 3 29 2 ? 2026-2027)", "UTC", "2026-01-01T00:00:00Z"),
    # Weekdays: W, #, L
    ("cron(0 8 1W * ? *)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(0 8 1W 8 ? *)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(0 8 15W * ? *)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(0 8 30W 5 ? *)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(0 8 ? * 2#1 *)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(0 8 ? * 6#5 *)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(0 8 ? * FRI#5 *)", "Europe/Berlin", "2026-01-01T00:00:00Z"),
    ("cron(15 10 ? * 6L 2026-2027)", "UTC", "2026-09-01T00:00:00Z"),
    ("cron(15 10 ? * FRIL *)", "Asia/Tokyo", "2026-09-25T01:15:00Z"),
    ("cron(0 12 ? * L *)", "UTC", "2026-09-01T00:00:00Z"),
    # The hour that a clock change skips
    ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-27T12:00:00Z"),
    ("cron(0 2 * * ? *)", "Europe/Berlin", "2026-03-28T01:00:00Z"),
    ("cron(59 1 * * ? *)", "Europe/Berlin", "2026-03-28T01:00:00Z"),
    ("cron(0 3 * * ? *)", "Europe/Berlin", "2026-03-28T02:00:00Z"),
    ("cron(30 2 29 3 ? *)", "Europe/Berlin", "2026-01-01T00:00:00Z"),
    ("cron(0/30 * * * ? *)", "Europe/Berlin", "2026-03-29T00:00:00Z"),
    ("cron(30 2 ? 3 1#2 *)", "America/New_York", "2025-01-01T00:00:00Z"),
    ("cron(30 2 * * ? *)", "America/New_York", "2027-03-12T12:00:00Z"),
    ("cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-02T12:00:00Z"),
    ("cron(0/10 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T14:30:00Z"),
    ("cron(0 0 * * ? *)", "America/Santiago", "2026-09-04T12:00:00Z"),
    ("cron(45 2 * * ? *)", "Pacific/Chatham", "2026-09-25T12:00:00Z"),
    ("cron(0 1-2 * * ? *)", "Antarctica/Troll", "2026-03-28T12:00:00Z"),
    # The hour that a clock change repeats
    ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-23T12:00:00Z"),
    ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-25T00:30:00Z"),
    ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-25T00:45:00Z"),
    ("cron(0/15 * * * ? *)", "Europe/Berlin", "2026-10-25T00:30:00Z"),
    ("cron(0/15 * * * ? *)", "Europe/Berlin", "2026-10-25T01:15:00Z"),
    ("cron(0 * * * ? *)", "Europe/Berlin", "2026-10-24T22:00:00Z"),
    ("cron(30 1 * * ? *)", "America/New_York", "2026-10-31T00:00:00Z"),
    ("cron(0 1,2 ? 11 1#1 *)", "America/New_York", "2026-10-31T00:00:00Z"),
    ("cron(45 1 * * ? *)", "Australia/Lord_Howe", "2027-04-02T00:00:00Z"),
    ("cron(0/10 1 * * ? *)", "Australia/Lord_Howe", "2027-04-03T14:20:00Z"),
    ("cron(30 23 * * ? *)", "America/Santiago", "2027-04-02T00:00:00Z"),
    ("cron(0 2 * * ? *)", "Antarctica/Troll", "2026-10-24T12:00:00Z"),
    ("cron(30 1 L 10 ? *)", "Europe/London", "2026-01-01T00:00:00Z"),
    ("cron(30 1 ? 10 1L *)", "Europe/London", "2026-01-01T00:00:00Z"),
    # Crons without a next time
    ("cron(0 3 30 2 ? *)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(0 3 * * ? 2025)", "UTC", "2026-01-01T00:00:00Z"),
    ("cron(30 2 29 3 ? 2026)", "Europe/Berlin", "2026-01-01T00:00:00Z"),
]


def number(text, names, first):
    return names.index(text) + first if text in names else int(text)


def plain(field, low, high, names=(), first=0):
    """Returns the values of a field without L, W and #."""
    values = set()
    for part in field.split(","):
        reach, _, step = part.partition("/")
        if reach in ("*", "?"):
            begin, end = low, high
        elif "-" in reach:
            begin, end = (number(one, names, first) for one in reach.split("-"))
        else:
            begin = number(reach, names, first)
            end = high if step else begin
        values.update(range(begin, end + 1, int(step or 1)))
    return values


def weekday(day):
    """Numbers the days of the week as AWS does: Sunday is 1, Saturday 7."""
    return day.isoweekday() % 7 + 1


def nearest_weekday(year, month, wanted):
    length = calendar.monthrange(year, month)[1]
    if wanted > length:
        return None
    working = [date(year, month, day) for day in range(1, length + 1) if date(year, month, day).weekday() < 5]
    return min(working, key=lambda day: abs(day.day - wanted)).day


def day_matches(day, dom, month, dow, year):
    if day.year not in plain(year, 1970, 2199) or day.month not in plain(month, 1, 12, MONTHS, 1):
        return False
    length = calendar.monthrange(day.year, day.month)[1]
    if dow == "?":
        if dom == "L":
            return day.day == length
        if dom.endswith("W"):
            return day.day == nearest_weekday(day.year, day.month, int(dom[:-1]))
        return day.day in plain(dom, 1, 31)
    if "#" in dow:
        wanted, nth = dow.split("#")
        return weekday(day) == number(wanted, DAYS, 1) and (day.day - 1) // 7 + 1 == int(nth)
    if dow == "L":
        return weekday(day) == 7
    if dow.endswith("L"):
        return weekday(day) == number(dow[:-1], DAYS, 1) and day.day + 7 > length
    return weekday(day) in plain(dow, 1, 7, DAYS, 1)


def next_times(cron, zone, after, most=5):
    minute, hour, dom, month, dow, year = cron.upper()[5:-1].split()
    minutes, hours = plain(minute, 0, 59), plain(hour, 0, 23)
    place = ZoneInfo(zone)
    at = datetime.fromisoformat(after).replace(tzinfo=timezone.utc)
    end = at.replace(year=at.year + HORIZON_YEARS)
    at = at.replace(second=0) + timedelta(minutes=1)
    found, seen, matches = [], None, False
    while at < end and len(found) < most:
        local = at.astimezone(place)
        if local.date() != seen:
            seen, matches = local.date(), day_matches(local.date(), dom, month, dow, year)
        if not matches:
            # Every offset and every clock change is a multiple of fifteen minutes.
            at += timedelta(minutes=15 - at.minute % 15)
            continue
        if local.minute in minutes and local.hour in hours and local.fold == 0:
            found.append(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        at += timedelta(minutes=1)
    return found


for cron, zone, after in CASES:
    print(json.dumps({"cron": cron, "zone": zone, "after": after, "next": next_times(cron, zone, after)}))
