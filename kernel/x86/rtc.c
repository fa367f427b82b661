#include "kernel/x86/rtc.h"

#include "kernel/base/string.h"
#include "kernel/x86/io.h"

#define NS_PER_S 1000000000ull

/* Motorola MC146818A: seconds, minutes, hours, day, month, year; status A and B. */
#define RTC_INDEX          0x70u
#define RTC_DATA           0x71u
#define RTC_STATUS_A       0x0au
#define RTC_STATUS_B       0x0bu
#define RTC_A_UPDATING_BIT 0x80u
#define RTC_B_BINARY_BIT   0x04u
#define RTC_B_24_HOURS_BIT 0x02u
#define RTC_HOUR_PM_BIT    0x80u
#define RTC_SPIN_MAX       100000u
#define RTC_FIELDS         6u

static uint8_t rtc_read(uint8_t index)
{
    io_write8(RTC_INDEX, index);
    return io_read8(RTC_DATA);
}

static bool rtc_read_fields(uint8_t fields[RTC_FIELDS])
{
    static const uint8_t indices[RTC_FIELDS] = {0, 2, 4, 7, 8, 9};
    uint32_t spins = 0;
    while ((rtc_read(RTC_STATUS_A) & RTC_A_UPDATING_BIT) != 0) {
        if (++spins == RTC_SPIN_MAX) {
            return false;
        }
    }
    for (unsigned i = 0; i < RTC_FIELDS; i++) {
        fields[i] = rtc_read(indices[i]);
    }
    return true;
}

static uint32_t from_bcd(uint32_t value)
{
    return (value >> 4) * 10 + (value & 15);
}

/* Days from 1970-01-01 for the proleptic Gregorian calendar, years from 1970 on. */
static uint64_t days_from_civil(uint32_t year, uint32_t month, uint32_t day)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint32_t leap_years = (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - 477;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return (uint64_t)(year - 1970) * 365 + leap_years + before[month - 1] +
           (leap && month > 2 ? 1 : 0) + day - 1;
}

bool rtc_read_ns(uint64_t *out)
{
    uint8_t raw[RTC_FIELDS], again[RTC_FIELDS];
    if (!rtc_read_fields(raw) || !rtc_read_fields(again)) {
        return false;
    }
    if (memcmp(raw, again, sizeof(raw)) != 0 && !rtc_read_fields(raw)) {
        return false;
    }
    uint8_t status = rtc_read(RTC_STATUS_B);
    uint32_t field[RTC_FIELDS];
    bool afternoon = (status & RTC_B_24_HOURS_BIT) == 0 && (raw[2] & RTC_HOUR_PM_BIT) != 0;
    raw[2] = (status & RTC_B_24_HOURS_BIT) == 0 ? raw[2] & 0x7f : raw[2];
    for (unsigned i = 0; i < RTC_FIELDS; i++) {
        field[i] = (status & RTC_B_BINARY_BIT) != 0 ? raw[i] : from_bcd(raw[i]);
    }
    if ((status & RTC_B_24_HOURS_BIT) == 0) {
        field[2] = field[2] % 12 + (afternoon ? 12 : 0);
    }
    if (field[0] > 60 || field[1] > 59 || field[2] > 23 || field[3] < 1 || field[3] > 31 ||
        field[4] < 1 || field[4] > 12 || field[5] > 99) {
        return false;
    }
    /* The century byte is not at a fixed place; this code is younger than 2000. */
    uint64_t days = days_from_civil(2000 + field[5], field[4], field[3]);
    *out = (days * 86400 + field[2] * 3600 + field[1] * 60 + field[0]) * NS_PER_S;
    return true;
}
