"""When a calendar holds."""

import datetime

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def between(text, what, least, most):
    """True when `what` is in `from .. to`, both taken in, which may run over the end of what is counted."""
    start, end = [part.strip() for part in text.split("..")]
    if start <= end:
        return start <= what <= end
    return start <= what <= most or least <= what <= end


def calendar_holds(table, now):
    zone = table.get("zone", "+08:00")
    minutes = (int(zone[1:3]) * 60 + int(zone[4:])) * (-1 if zone[0] == "-" else 1)
    local = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=minutes, milliseconds=now)
    if "yearly" in table and not any(between(days, local.strftime("%m-%d"), "01-01", "12-31") for days in table["yearly"]):
        return False
    if "dates" in table and not any(between(days, local.strftime("%Y-%m-%d"), "", "") for days in table["dates"]):
        return False
    if "weekdays" in table and DAYS[local.weekday()] not in table["weekdays"]:
        return False
    if "daily" in table:
        start, end = [part.strip() for part in table["daily"].split("..")]
        clock = local.strftime("%H:%M")
        return start <= clock < end if start < end else clock >= start or clock < end
    return True
